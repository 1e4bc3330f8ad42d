/** Encoders against Transformers: ids, hidden rows of a pack of texts, on each device; and the ways a folder can be wrong. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { describeOnEachDevice } from "../backend/testing/describe-on-each-device.ts";
import { readTensorBytes } from "../formats/file-bytes.ts";
import { readSafetensors } from "../formats/safetensors-reader.ts";
import { decodeWeights } from "../quant/decode.ts";
import { Arena } from "../tensor/arena.ts";
import { readEncoderShape } from "./encoder-shape.ts";
import { openEncoderSource } from "./encoder-source.ts";
import { loadEncoder } from "./load-encoder.ts";

const FIXTURES = join(import.meta.dirname, "../../fixtures/data/encoders");

/** The encoders' limit in the fixtures; a longer text keeps its last token. */
const LIMIT = 48;
/** f32 sums in another order; bf16 has 8 bits, and two layers of rounding. Share of the largest value. */
const TOLERANCE = { f32: 2e-5, bf16: 4e-2 } as const;

function expectedOf(name: string): { ids: number[][]; hidden: Float32Array[] } {
  const { ids } = JSON.parse(readFileSync(join(FIXTURES, name, "expected.json"), "utf8")) as { ids: number[][] };
  const { tensors } = readSafetensors(join(FIXTURES, name, "expected.safetensors"));
  const hidden = ids.map((_, index) => {
    const view = tensors.get(`hidden.${index}`)!;
    return decodeWeights("f32", readTensorBytes(view), view.byteLength / 4);
  });
  return { ids: ids.map((row) => (row.length > LIMIT ? [...row.slice(0, LIMIT - 1), row.at(-1)!] : row)), hidden };
}

describeOnEachDevice("an encoder", ({ name: device, backend }) => {
  for (const name of ["bert", "xlm-roberta"]) {
    for (const compute of ["f32", "bf16"] as const) {
      if (compute === "bf16" && device.startsWith("reference")) continue;
      test(`${name} in ${compute} gives Transformers' hidden rows for packed texts`, async () => {
        const arena = new Arena(backend());
        const encoder = await loadEncoder(arena, openEncoderSource(join(FIXTURES, name)), compute);
        const { ids, hidden } = expectedOf(name);
        const width = encoder.shape.hiddenSize;
        expect(encoder.maxTokens).toBe(LIMIT);
        // Twice: some faults show on the second run over the same memory only.
        for (let run = 0; run < 2; run++) {
          const rows = await encoder.encode(ids);
          let start = 0;
          for (const [index, expected] of hidden.entries()) {
            const found = rows.subarray(start, start + expected.length);
            start += expected.length;
            expect(expected.length).toBe(ids[index]!.length * width);
            const largest = expected.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
            const worst = expected.reduce((most, value, i) => Math.max(most, Math.abs(value - found[i]!)), 0);
            expect(worst / largest, `text ${index}`).toBeLessThan(TOLERANCE[compute]);
          }
          expect(start).toBe(rows.length);
        }
        encoder.dispose();
      });
    }
  }
});

describe("an encoder's files", () => {
  test("say how to use it: pooling and prefixes", () => {
    expect(openEncoderSource(join(FIXTURES, "bert"))).toMatchObject({
      pooling: "cls",
      prefixes: { query: "", passage: "" },
      maxTokens: 48,
    });
    expect(openEncoderSource(join(FIXTURES, "xlm-roberta"))).toMatchObject({ pooling: "mean", shape: { firstPosition: 2 }, maxTokens: 48 });
  });

  test("that miss a weight are refused by its name", async () => {
    const source = openEncoderSource(join(FIXTURES, "bert"));
    const { openReferenceBackend } = await import("../backend/cpu/open-cpu.ts");
    const backend = openReferenceBackend();
    const without = {
      ...source,
      tensor: (name: string) => (name === "encoder.layer.1.output.dense.bias" ? undefined : source.tensor(name)),
    };
    await expect(loadEncoder(new Arena(backend), without, "f32")).rejects.toThrow("encoder.layer.1.output.dense.bias");
    backend.dispose();
  });

  test("of other models are refused", () => {
    expect(() => readEncoderShape({ model_type: "llama" }, "folder")).toThrow(/llama/);
    expect(() => readEncoderShape({ model_type: "bert", hidden_size: 32, num_attention_heads: 5 }, "folder")).toThrow(
      /num_attention_heads/,
    );
    expect(() =>
      readEncoderShape({ model_type: "bert", hidden_size: 32, num_attention_heads: 4, position_embedding_type: "relative_key" }, "x"),
    ).toThrow(/position_embedding_type/);
  });
});
