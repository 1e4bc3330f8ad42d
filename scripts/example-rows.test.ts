/**
 * The rows in examples/translate: train.jsonl is what its script makes, and the held-out sentences are new. With REMORA_OTHER_PAIRS set to
 * files of sentence pairs (`ja<TAB>en`, separated by ":", unpacked), they are also looked for there, such as in what a model was trained on.
 */
import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { makeRows, type Row } from "../examples/translate/make-rows.ts";
import { templates } from "../examples/translate/templates.ts";

const read = (name: string): Row[] =>
  readFileSync(new URL(`../examples/translate/${name}`, import.meta.url), "utf8")
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line) as Row);
const train = read("train.jsonl");
const heldOut = read("held-out.jsonl");
const otherPairs = process.env.REMORA_OTHER_PAIRS?.split(":") ?? [];

/** Letters and digits only, so that neither case nor punctuation hides that two sentences are the same. */
const bare = (sentence: string): string => sentence.toLowerCase().replace(/[^\p{L}\p{N}]/gu, "");
const sentences = (rows: readonly Row[]): string[] => rows.flatMap(({ input, output }) => [input, output]);

describe("examples/translate", () => {
  it("train.jsonl is what make-rows.ts makes", () => {
    expect(train).toEqual(makeRows());
  });

  it("has 800 and 200 rows, each sentence once, one line each, with the same instruction", () => {
    expect([train.length, heldOut.length]).toEqual([800, 200]);
    for (const rows of [train, heldOut]) {
      expect(new Set(rows.map(({ instruction }) => instruction)).size).toBe(1);
      expect(new Set(rows.map(({ input }) => bare(input))).size).toBe(rows.length);
      for (const { input, output } of rows) {
        expect(input).toMatch(/^\S.{2,31}\S$/u);
        expect(output).toMatch(/^[A-Z][\x20-\x7e]+[.?!]$/);
      }
    }
  });

  it("no held-out sentence, Japanese or English, is trained on", () => {
    const known = new Set(sentences(train).map(bare));
    expect(sentences(heldOut).filter((sentence) => known.has(bare(sentence)))).toEqual([]);
  });

  it("no held-out sentence has the frame of a template", () => {
    const frames = templates.map(({ ja }) => new RegExp(`^${ja.replace(/\{[^}]+\}/g, ".+")}$`));
    expect(heldOut.filter(({ input }) => frames.some((frame) => frame.test(input)))).toEqual([]);
  });

  it.skipIf(otherPairs.length === 0)("no held-out sentence occurs in the files that REMORA_OTHER_PAIRS names", () => {
    const known = new Set(otherPairs.flatMap((path) => readFileSync(path, "utf8").split(/[\n\t]/)).map(bare));
    expect(known.size).toBeGreaterThan(100);
    expect(sentences(heldOut).filter((sentence) => known.has(bare(sentence)))).toEqual([]);
  });
});
