import { mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { SaveFolder } from "./save-folder.ts";

const folder = mkdtempSync(join(tmpdir(), "remora-save-folder-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

test("too little free disk is refused before the first byte", async () => {
  const save = SaveFolder.check(join(folder, "out"), false);
  const refusal = await save.begin(24_500_000_000, () => 3_200_000_000).catch((error: Error) => error.message.replace(folder, "…"));
  expect(refusal).toMatchInlineSnapshot(`
    "Preparing to write …/out: expected 24.50 GB of free disk, found 3.20 GB
      Free some space, choose another --out, or a smaller --format; nothing has been written."
  `);
  expect(readdirSync(folder)).toEqual([]);
});

test("a folder that cannot be made is an error that names it", () => {
  writeFileSync(join(folder, "file"), "");
  expect(() => SaveFolder.check(join(folder, "file", "out"), false)).toThrow("expected a folder, found a file");
  rmSync(join(folder, "file"));
});
