import { describe, expect, test } from "vitest";
import { BpeModel, type BpeModelOptions } from "./bpe-model.ts";

const vocabulary = new Map(["a", "b", "c", "ab", "bc", "abc", "<unk>", "<0xE3>", "<0x81>", "<0x82>"].map((token, id) => [token, id]));
const model = (changes: Partial<BpeModelOptions> = {}) =>
  new BpeModel({
    vocabulary,
    merges: [
      ["b", "c"],
      ["a", "bc"],
      ["a", "b"],
    ],
    byteFallback: false,
    ignoreMerges: false,
    unknownId: 6,
    fuseUnknown: false,
    forbidden: new Set(),
    ...changes,
  });

describe("BpeModel", () => {
  test("merges the lowest rank first, leftmost first", () => {
    expect(model().encodeWord("abc")).toEqual([5]);
    expect(model().encodeWord("ababc")).toEqual([3, 5]);
    expect(model({ merges: [["a", "b"]] }).encodeWord("abc")).toEqual([3, 2]);
  });

  test("takes merges as pairs, as text and as ids alike", () => {
    const word = "cabcabbcab";
    const expected = model().encodeWord(word);
    expect(model({ merges: ["b c", "a bc", "a b"] }).encodeWord(word)).toEqual(expected);
    expect(model({ merges: Int32Array.of(1, 2, 4, 0, 4, 5, 0, 1, 3) }).encodeWord(word)).toEqual(expected);
  });

  test("long words, merged by a heap, give what short ones give by scanning", () => {
    const piece = "abcbcabacbbcaabcccab";
    const long = piece.repeat(40);
    // "cab" at every seam keeps merges from reaching over it in another way: cut where no merge can cross
    const parts = long.split(/(?<=c)(?=a)/);
    const bc = model();
    expect(bc.encodeWord(long)).toEqual(parts.flatMap((part) => bc.encodeWord(part)));
  });

  test("unknown characters: bytes when allowed and present, else the unknown token, fused when asked", () => {
    expect(model({ byteFallback: true }).encodeWord("aあb")).toEqual([0, 7, 8, 9, 1]);
    expect(model({ byteFallback: true }).encodeWord("い")).toEqual([6]); // <0x84> is not in the vocabulary
    expect(model().encodeWord("aああb")).toEqual([0, 6, 6, 1]);
    expect(model({ fuseUnknown: true }).encodeWord("aああb")).toEqual([0, 6, 1]);
  });

  test("whole words are taken first when merges are ignored, but never a forbidden one", () => {
    expect(model({ merges: [], ignoreMerges: true }).encodeWord("abc")).toEqual([5]);
    expect(model({ merges: [], ignoreMerges: true, forbidden: new Set([5]) }).encodeWord("abc")).toEqual([0, 1, 2]);
  });

  test("a merge of tokens that do not exist is an error", () => {
    expect(() => model({ merges: [["c", "a"]] })).toThrowErrorMatchingInlineSnapshot(
      `[RangeError: merge 0 ("c" + "a") names a token that is not in the vocabulary]`,
    );
  });
});
