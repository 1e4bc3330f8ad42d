import { expect, test } from "vitest";
import type { ModelFiles } from "./model-files.ts";
import { checkBlockLength } from "./train-config.ts";

test("blocks longer than the model's positions are said, shorter ones are not", () => {
  const files = { shape: { maxPositions: 1024 } } as ModelFiles;
  expect(checkBlockLength(files, { blockLength: 1024 })).toEqual([]);
  const [warning] = checkBlockLength(files, { blockLength: 4096 });
  expect(warning).toMatchObject({ code: "block-beyond-positions" });
  expect(warning!.message).toContain("blocks of 4096 tokens on a model of 1024 positions");
});
