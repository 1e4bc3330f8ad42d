/**
 * The rows in examples/translate: train.jsonl is what its script makes, and the held-out sentences are new. With REMORA_OTHER_PAIRS set to
 * files of sentence pairs (`ja<TAB>en`, separated by ":", unpacked), they are also looked for there, such as in what a model was trained on.
 */
import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { makeRows, PLACE, type Row } from "./make-rows.ts";
import { templates } from "./templates.ts";

const read = (name: string): Row[] =>
  readFileSync(new URL(`./${name}`, import.meta.url), "utf8")
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line) as Row);
const train = read("train.jsonl");
const heldOut = read("held-out.jsonl");
const otherPairs = process.env.REMORA_OTHER_PAIRS?.split(":") ?? [];

/** Letters and digits only, so that neither case nor punctuation hides that two sentences are the same. */
const bare = (sentence: string): string => sentence.toLowerCase().replace(/[^\p{L}\p{N}]/gu, "");
/** Shared runs of letters, of two in Japanese and three in English, as a share of all that either sentence has (Jaccard): 1 is the same sentence. */
const MAX_OVERLAP = 0.5;
const grams = (text: string, size: number): Set<string> =>
  new Set(Array.from({ length: Math.max(1, text.length - size + 1) }, (_, at) => text.slice(at, at + size)));
function overlap(a: ReadonlySet<string>, b: ReadonlySet<string>): number {
  let shared = 0;
  for (const gram of a) if (b.has(gram)) shared++;
  return shared / (a.size + b.size - shared);
}

/** A template with anything in its places. */
const frameOf = (template: string): RegExp => {
  const fixed = template
    .replace(PLACE, "\n")
    .split("\n")
    .map((part) => part.replace(/[.?*+^$()[\]{}|\\]/g, "\\$&"));
  return new RegExp(`^${fixed.join(".+")}$`, "iu");
};
const isTrained = (frame: RegExp, side: "input" | "output"): boolean => train.some((row) => frame.test(row[side]));
const sentences = (rows: readonly Row[]): string[] => rows.flatMap(({ input, output }) => [input, output]);

describe("examples/translate", () => {
  it("train.jsonl is what make-rows.ts makes", () => {
    expect(train).toEqual(makeRows());
  });

  it("has 2,000 and 200 rows, each sentence once, one line each, with the same instruction", () => {
    expect([train.length, heldOut.length]).toEqual([2000, 200]);
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

  it.each(["input", "output"] as const)("no held-out sentence has the frame of a template, by its %s", (side) => {
    const frames = templates.map((template) => frameOf(side === "input" ? template.ja : template.en));
    expect(frames.every((frame) => isTrained(frame, side))).toBe(true);
    expect(heldOut.filter((row) => frames.some((frame) => frame.test(row[side])))).toEqual([]);
  });

  it.each(["input", "output"] as const)("no held-out sentence is nearly one that is trained on, by its %s", (side) => {
    const size = side === "input" ? 2 : 3;
    const known = train.map((row) => grams(bare(row[side]), size));
    const near = heldOut.filter((row) => {
      const own = grams(bare(row[side]), size);
      return known.some((other) => overlap(own, other) >= MAX_OVERLAP);
    });
    expect(near).toEqual([]);
    // The measure itself: a sentence is all of itself, and most of itself with one word changed.
    expect(overlap(grams("弟は大きな箱を二階へ運んだ", 2), grams("妹は大きな箱を二階へ運んだ", 2))).toBeGreaterThan(0.8);
  });

  it.skipIf(otherPairs.length === 0)("no held-out sentence occurs in the files that REMORA_OTHER_PAIRS names", () => {
    const known = new Set(otherPairs.flatMap((path) => readFileSync(path, "utf8").split(/[\n\t]/)).map(bare));
    expect(known.size).toBeGreaterThan(100);
    expect(sentences(heldOut).filter((sentence) => known.has(bare(sentence)))).toEqual([]);
  });
});
