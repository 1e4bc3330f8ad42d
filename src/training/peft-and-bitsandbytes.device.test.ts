/**
 * Folders that Python wrote, read and run: PEFT's adapters over their base (logits, loss, gradients of every A and B), and models that
 * Transformers + bitsandbytes saved in NF4, with and without double quantization. Fixtures: fixtures/README.md.
 */
import { expect, it } from "vitest";
import { describeOnEachDevice } from "../backend/testing/describe-on-each-device.ts";
import { expectClose } from "../backend/testing/expect-close.ts";
import { readTensorBytes } from "../formats/file-bytes.ts";
import { readSafetensors, type SafetensorsFile } from "../formats/safetensors-reader.ts";
import { attachAdapter } from "../models/attach-adapter.ts";
import type { CausalLM } from "../models/causal-lm.ts";
import { loadModel } from "../models/load-model.ts";
import { openWeightSource } from "../models/weight-source.ts";
import { Arena } from "../tensor/arena.ts";
import { attention } from "../tensor/ops/attention.ts";
import { Tape } from "../tensor/tape.ts";
import { Tensor } from "../tensor/tensor.ts";
import { DeviceBatch } from "./device-batch.ts";
import { packRows } from "./testing/pack-rows.ts";

const DATA = new URL("../../fixtures/data/", import.meta.url).pathname;
/** As in models.device.test.ts. */
const TOLERANCE = 3e-4;
const ADAPTERS = [
  ["llama-all", "llama"],
  ["llama-patterns", "llama"],
  ["llama-some", "llama"],
  ["phi3-fused", "phi3"],
] as const;

describeOnEachDevice("Adapters that PEFT wrote", (device) => {
  for (const [name, base] of ADAPTERS) {
    it(name, async () => {
      const folder = `${DATA}adapters/${name}`;
      const expected = readSafetensors(`${folder}/expected.safetensors`);
      const arena = new Arena(device.backend());
      const model = await loadModel(arena, openWeightSource(`${DATA}models/${base}`), { base: "file", compute: "f32" });
      const ids = ints(expected, "input_ids");
      const close = (actual: Float32Array, tensor: string) =>
        expectClose(actual, floats(expected, tensor), { name: tensor, tolerance: TOLERANCE });

      close((await run(model, ids)).logits, "base.logits");
      const store = attachAdapter(model, folder, { trainable: true });
      arena.backend.zero(store.gradients!.tensor);
      const { logits, loss } = await run(model, ids, true);
      close(logits, "logits");
      expect(loss).toBeCloseTo(floats(expected, "loss")[0]!, 4);
      const names = [...expected.tensors.keys()].filter((key) => key.startsWith("grad."));
      expect(names.length).toBe(2 * store.adapters.length);
      for (const tensor of names) {
        const path = tensor.replace("grad.base_model.model.", "").replace(/\.weight$/, "");
        close(await download(arena, store.gradients!.array(path)), tensor);
      }
      model.dispose();
      expect(arena.usedBytes).toBe(0);
      arena.dispose();
    });
  }
});

describeOnEachDevice("NF4 folders that bitsandbytes wrote", (device) => {
  for (const name of ["base-nf4", "base-nf4-single"]) {
    it(name, async () => {
      const expected = readSafetensors(`${DATA}losses/${name}/expected.safetensors`);
      const arena = new Arena(device.backend());
      const model = await loadModel(arena, openWeightSource(`${DATA}losses/${name}`), { base: "file", compute: "f32" });
      expect(new Set([...model.linears()].map(({ part }) => part.parameter.weight.format))).toEqual(new Set(["nf4"]));
      for (const row of ["row0", "row1"]) {
        const { logits } = await run(model, ints(expected, `${row}.input_ids`));
        expectClose(logits, floats(expected, `${row}.logits`), { name: `logits of ${row}`, tolerance: TOLERANCE });
      }
      model.dispose();
      arena.dispose();
    });
  }
});

/** Logits [T, V] and mean loss of one row; with `backward`, gradients are added to the adapters'. */
async function run(model: CausalLM, ids: Int32Array, backward = false): Promise<{ logits: Float32Array; loss: number }> {
  const { arena, backend, shape, weights } = model;
  const data = packRows([Array.from(ids)]);
  const rows = ids.length;
  model.prepare(rows);
  const batch = new DeviceBatch(arena, rows);
  batch.upload(data);
  const rowLoss = Tensor.take(arena, "f32", [rows], "row loss");
  const lossScale = Tensor.take(arena, "f32", [1], "loss scale");
  const logits = Tensor.take(arena, "f32", [rows, shape.vocabularySize], "logits");
  backend.upload(lossScale, new Uint8Array(Float32Array.of(1 / data.trainedTokens).buffer));
  const tape = new Tape(arena, { recording: backward });
  tape.scope("test", () => {
    const hidden = model.forward(tape, batch.tokens, batch.positions, (on, _layer, qkv, rule) => attention(on, qkv, batch.segments, rule));
    backend.linearForward({ parts: [{ weight: weights.head.weight }], dropout: 0 }, hidden, logits, null);
    model.loss(tape, hidden, { targets: batch.targets, lossScale, rowLoss });
    if (backward) tape.backward();
    return [];
  });
  const losses = await download(arena, rowLoss);
  const values = await download(arena, logits);
  for (const tensor of [rowLoss, lossScale, logits]) tensor.release();
  batch.release();
  return { logits: values, loss: losses.reduce((sum, value) => sum + value, 0) / data.trainedTokens };
}

async function download(arena: Arena, tensor: Tensor): Promise<Float32Array> {
  const bytes = await arena.backend.download(tensor);
  return new Float32Array(bytes.buffer, bytes.byteOffset, bytes.byteLength / 4);
}

const floats = (file: SafetensorsFile, name: string) => new Float32Array(readTensorBytes(file.tensors.get(name)!).buffer);
const ints = (file: SafetensorsFile, name: string) => new Int32Array(readTensorBytes(file.tensors.get(name)!).buffer);
