import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { TokenFileWriter } from "../../src/data/token-file.ts";
import { passesOf, readMixes } from "./mixes.ts";
import { TEXT_SOURCES } from "./sources.ts";

const here = import.meta.dirname;

test("the mixes that are tried name sources that prepare.ts makes, and read each of them", () => {
  const mixes = readMixes(join(here, "pretrain.yaml"), join(here, "mixes.yaml"));
  const made = [
    ...TEXT_SOURCES.map(({ name }) => name),
    "learner-pairs",
    "manual-pairs",
    ...[1, 2, 3, 4].map((part) => `everyday-${part}`),
  ];
  expect([...mixes.keys()]).toEqual(["A", "B", "C", "D"]);
  for (const { data, mix, finalMix } of mixes.values()) {
    const sources = Object.keys(data);
    expect(sources.filter((name) => !made.includes(name))).toEqual([]);
    expect(Object.keys(mix).sort()).toEqual([...sources].sort());
    expect(Object.keys(finalMix).sort()).toEqual([...sources].sort());
  }
  expect(mixes.get("A")!.mix["ja-wiki"]).toBe(0.07);
  expect(mixes.get("B")!.mix).toMatchObject({ "ja-wiki": 0.03, "en-books-1": 0.083 });
  expect(Object.keys(mixes.get("B")!.data)).not.toContain("ja-books-3");
  expect(mixes.get("D")!.finalMix["ja-books-3"]).toBe(0.04);
});

test("passes: the shares of both phases over the tokens that are there", async () => {
  const folder = mkdtempSync(join(tmpdir(), "remora-mixes-"));
  const path = join(folder, "books.tokens");
  const writer = await TokenFileWriter.create(path, { endId: 0, vocabularySize: 9, print: "0".repeat(32) });
  await writer.add([1, 2, 3], 3); // and its end: 4 tokens
  await writer.finish();
  const mix = { data: { books: path, none: join(folder, "none.tokens") }, mix: { books: 1, none: 3 }, finalMix: { books: 2 } };
  // Three quarters of 100 tokens by a quarter, the last quarter whole: 18.75 + 25 tokens of a file of 4.
  expect(passesOf({ ...mix, finalShare: 0.25, heldOut: {} }, 100)).toEqual({ books: 43.75 / 4, none: undefined });
  rmSync(folder, { recursive: true });
});
