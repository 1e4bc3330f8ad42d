/** Damaged safetensors files: every one is either read into views that lie inside it, or refused by a RemoraError. Seeded. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, it } from "vitest";
import { RemoraError } from "../errors/remora-error.ts";
import { readSafetensors } from "./safetensors-reader.ts";
import { writeSafetensors } from "./safetensors-writer.ts";
import { createRandom, damage } from "./testing/damage.ts";

it("never crashes, hangs or points outside the file", async () => {
  const folder = mkdtempSync(join(tmpdir(), "remora-fuzz-"));
  const path = join(folder, "x.safetensors");
  await writeSafetensors(path, [
    { name: "model.embed_tokens.weight", dtype: "BF16", shape: [4, 6], read: () => new Uint8Array(48) },
    { name: "model.norm.weight", dtype: "F32", shape: [6], read: () => new Uint8Array(24) },
    { name: "codes", dtype: "U8", shape: [7, 1], read: () => new Uint8Array(7) },
  ]);
  const original = Uint8Array.from(readFileSync(path));
  const headerBytes = original.length - 79;
  const random = createRandom(1);
  let refused = 0;
  for (let run = 0; run < 1500; run++) {
    const bytes = damage(original, headerBytes, random);
    writeFileSync(path, bytes);
    try {
      for (const view of readSafetensors(path).tensors.values()) {
        if (view.byteOffset < 8 || view.byteOffset + view.byteLength > bytes.length)
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
