/**
 * Our GGUF files in llama.cpp's hands: each type loads and answers; f16 logits are ours; quantized files equal, tensor by tensor and byte by byte, what
 * llama.cpp's own quantizer makes of the same f16 file, so their perplexity cannot differ.
 */
import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { openCpuBackend } from "../../src/backend/cpu/open-cpu.ts";
import { writeTinyModelOf } from "../../src/cli/testing/tiny-model.ts";
import { openModelFiles } from "../../src/engine/model-files.ts";
import { GGUF_SAVE_FACTS, type GgufSaveType } from "../../src/export/gguf-types.ts";
import { MergedWeights } from "../../src/export/merged-weights.ts";
import { hiddenRows, loadHead, logitsOf } from "../../src/export/proof/hidden-rows.ts";
import { planSave } from "../../src/export/write-save.ts";
import { readTensorBytes } from "../../src/formats/file-bytes.ts";
import { readGguf } from "../../src/formats/gguf-reader.ts";
import { loadModel } from "../../src/models/load-model.ts";
import { readDecoderShape } from "../../src/models/registry.ts";
import { openWeightSource } from "../../src/models/weight-source.ts";
import { Arena } from "../../src/tensor/arena.ts";
import { readGgufTokenizer } from "../../src/text/gguf-tokenizer.ts";
import { INSTALL, isInstalled, openLlamaLibrary } from "./llama-library.ts";
import { openLlama, type RunningLlama } from "./llama-logits.ts";

if (!isInstalled()) console.log(`skipped: ${INSTALL}`);

const QUANTIZED: GgufSaveType[] = ["q8_0", "q4_0", "q5_0", "q5_1", "q4_k_m", "q5_k_m", "q6_k"];
const TEXT = "The remora attaches itself to larger fish. コバンザメは大きな魚に。";
const WIDE = { hidden_size: 256, intermediate_size: 512, num_attention_heads: 4, num_key_value_heads: 2, num_hidden_layers: 3 };
/** Families as llama.cpp sees them; `narrow` rows are not multiples of 256, so K types fall back. */
const FAMILIES: Record<string, Record<string, unknown>> = {
  llama: WIDE,
  narrow: { hidden_size: 192, intermediate_size: 352, num_attention_heads: 6, num_key_value_heads: 2, num_hidden_layers: 3 },
  mistral: { ...WIDE, model_type: "mistral", architectures: ["MistralForCausalLM"], head_dim: 32, tie_word_embeddings: false },
  llama3: {
    ...WIDE,
    rope_scaling: { rope_type: "llama3", factor: 8, low_freq_factor: 1, high_freq_factor: 4, original_max_position_embeddings: 8192 },
  },
  yarn: { ...WIDE, rope_scaling: { rope_type: "yarn", factor: 4, original_max_position_embeddings: 128 } },
  qwen2: { ...WIDE, model_type: "qwen2", architectures: ["Qwen2ForCausalLM"] },
  qwen3: { ...WIDE, model_type: "qwen3", architectures: ["Qwen3ForCausalLM"], head_dim: 64, tie_word_embeddings: false },
  gemma3: {
    ...WIDE,
    model_type: "gemma3_text",
    architectures: ["Gemma3ForCausalLM"],
    head_dim: 64,
    query_pre_attn_scalar: 64,
    sliding_window: 16,
    num_hidden_layers: 7,
    hidden_activation: "gelu_pytorch_tanh",
  },
  // Not called phi3: llama.cpp looks at the name, and expects Phi-3's own tokens then.
  fused: { ...WIDE, model_type: "phi3", architectures: ["Phi3ForCausalLM"], sliding_window: 512, tie_word_embeddings: false },
};

/** Loading takes llama.cpp a second or two: each type once with rows of 256, once without. */
const ANSWERS = new Set(["llama", "narrow"]);

const folder = mkdtempSync(join(tmpdir(), "remora-gguf-saves-"));
let llama: RunningLlama | undefined;
beforeAll(async () => {
  if (isInstalled()) llama = await openLlama();
});
afterAll(async () => {
  await llama?.close();
  rmSync(folder, { recursive: true, force: true });
});

/** Without the proof: random weights have nothing that 4 bits could keep. */
async function save(model: string, type: GgufSaveType, out: string): Promise<string> {
  const { source, shape, tokenizer } = await openModelFiles(model, { offline: true });
  const backend = openCpuBackend({ threads: 2 });
  const weights = new MergedWeights(new Arena(backend), source, shape, [], "file");
  const adapter = { parts: [], useRslora: false, dropout: 0, baseModel: undefined };
  const rest = { template: undefined, maxShardBytes: 5e9, remora: "test", onTensor: () => {} };
  const planned = planSave({ ...rest, format: "gguf", type, weights, adapter, tokenizer, model });
  mkdirSync(out, { recursive: true });
  await planned.write(out);
  backend.dispose();
  return join(out, planned.opens);
}

/** Log-probabilities of the whole vocabulary after each token. */
async function ourLogits(path: string, ids: number[]): Promise<Float32Array[]> {
  const source = openWeightSource(path);
  const shape = readDecoderShape(source.config, path);
  const backend = openCpuBackend({ threads: 2 });
  const arena = new Arena(backend);
  const model = await loadModel(arena, source, { base: "file", compute: "f32" });
  // Every place is looked at: the last one by a token that follows.
  const all = Int32Array.from([...ids, 0]);
  const hidden = await hiddenRows(model, [{ ids: all, scored: new Uint8Array(all.length).fill(1, 1) }]);
  const logits = await logitsOf(arena, shape, await loadHead(arena, source, shape), hidden, 0, ids.length);
  backend.dispose();
  return ids.map((_, row) => logits.subarray(row * shape.vocabularySize, (row + 1) * shape.vocabularySize));
}

describe.skipIf(!isInstalled()).each(Object.keys(FAMILIES))("%s", (family) => {
  const base = join(folder, family);
  let f16: string;
  beforeAll(async () => {
    await writeTinyModelOf(base, FAMILIES[family]!);
    f16 = await save(base, "f16", join(folder, `${family}-f16`));
  });

  test("f16: token ids and logits are ours", async () => {
    const source = openWeightSource(f16);
    if (source.tokenizerSource.kind !== "gguf") throw new Error("not a GGUF file");
    const tokenizer = readGgufTokenizer(source.tokenizerSource.metadata, f16);
    const theirs = await llama!.ask(f16, TEXT);
    expect([...(tokenizer.addsBos ? [tokenizer.bos] : []), ...tokenizer.encode(TEXT)]).toEqual(theirs.ids);
    const ours = await ourLogits(f16, theirs.ids);
    let largest = 0;
    let scale = 0;
    for (const [row, logits] of ours.entries()) {
      // llama.cpp's logits may be shifted by a constant; so is every softmax.
      const shift = theirs.logits[row]!.get(0)! - logits[0]!;
      for (const [id, value] of theirs.logits[row]!) {
        largest = Math.max(largest, Math.abs(value - shift - logits[id]!));
        scale = Math.max(scale, Math.abs(value));
      }
    }
    // llama.cpp rounds activations to f16, and how it sums depends on the processor: 7.3e-3 was seen, a wrong norm or rope shows whole units.
    expect(largest / scale).toBeLessThan(2e-2);
  });

  test.each(QUANTIZED)("%s equals llama.cpp's own from the same f16 file, and answers", async (type) => {
    const ours = await save(f16, type, join(folder, `${family}-${type}`));
    const other = join(folder, `${family}-${type}-llama.gguf`);
    openLlamaLibrary().quantizeFile(f16, other, GGUF_SAVE_FACTS[type].fileType, 2);
    const [a, b] = [readGguf(ours).tensors, readGguf(other).tensors];
    const types = (tensors: typeof a) => Object.fromEntries([...tensors].map(([name, { dtype }]) => [name, dtype]).sort());
    expect(types(a)).toEqual(types(b));
    const differing = [...a.values()].filter((view) => !Buffer.from(readTensorBytes(view)).equals(readTensorBytes(b.get(view.name)!)));
    expect(differing.map(({ name }) => name)).toEqual([]);
    if (!ANSWERS.has(family)) return;
    const { logits, ids } = await llama!.ask(ours, TEXT);
    expect(logits).toHaveLength(ids.length);
  });
});
