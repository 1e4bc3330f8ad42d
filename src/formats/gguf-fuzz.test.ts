/** Damaged GGUF files: every one is either read into views that lie inside it, or refused by a RemoraError. Seeded. */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, it } from "vitest";
import { RemoraError } from "../errors/remora-error.ts";
import { readGguf } from "./gguf-reader.ts";
import { createRandom, damage } from "./testing/damage.ts";
import { makeGguf } from "./testing/make-gguf.ts";

it("never crashes, hangs or points outside the file", () => {
  const folder = mkdtempSync(join(tmpdir(), "remora-fuzz-"));
  const path = join(folder, "x.gguf");
  const original = makeGguf({
    metadata: {
      "general.architecture": { text: "llama" },
      "general.alignment": { u32: 32 },
      "tokenizer.ggml.tokens": { texts: ["a", "bc", "def"] },
      "tokenizer.ggml.scores": { f32s: [1, 2, 3] },
      "tokenizer.ggml.add_bos_token": { bool: true },
    },
    tensors: [
      { name: "token_embd.weight", type: "Q8_0", shape: [3, 32] },
      { name: "output_norm.weight", shape: [32] },
      { name: "blk.0.attn_q.weight", type: "Q6_K", shape: [1, 256] },
    ],
  });
  const random = createRandom(2);
  let refused = 0;
  for (let run = 0; run < 1500; run++) {
    const bytes = damage(original, original.length - 480, random);
    writeFileSync(path, bytes);
    try {
      for (const view of readGguf(path).tensors.values()) {
        if (view.byteOffset < 24 || view.byteOffset + view.byteLength > bytes.length)
          throw new Error(`run ${run}: ${JSON.stringify(view)} is outside`);
      }
    } catch (error) {
      if (!RemoraError.isInstance(error)) throw error;
      if (/undefined|NaN|\[object/.test(error.message)) throw new Error(`run ${run}: a poor message: ${error.message}`);
      refused++;
    }
  }
  rmSync(folder, { recursive: true });
  expect(refused).toBeGreaterThan(700);
});
