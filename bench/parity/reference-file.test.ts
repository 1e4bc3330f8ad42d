import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, it } from "vitest";
import { readReference, writeReference } from "./reference-file.ts";

const folder = mkdtempSync(join(tmpdir(), "remora-reference-"));
afterAll(() => rmSync(folder, { recursive: true }));

it("reads back what it wrote", async () => {
  const text = (name: string, length: number) => ({
    name,
    tokens: Int32Array.from({ length }, (_, i) => i * 3),
    top: 2,
    topIds: Int32Array.from({ length: length * 2 }, (_, i) => i),
    topLogprobs: Float32Array.from({ length: length * 2 }, (_, i) => -i / 7),
  });
  const reference = { source: { program: "a program", model: "a.gguf" }, texts: [text("english.txt", 3), text("日本語.txt", 5)] };
  const path = join(folder, "reference.safetensors");
  await writeReference(path, reference);
  expect(readReference(path)).toEqual(reference);
});
