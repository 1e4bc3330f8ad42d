import { describe, expect, test } from "vitest";
import { ByteTokenizer } from "../text/testing/byte-tokenizer.ts";
import type { Batch } from "./batch.ts";
import { BatchLoader } from "./loader.ts";
import { encodeDocument, TextBlocks } from "./text-blocks.ts";
import { TokenStore } from "./token-store.ts";

function storeOf(documents: readonly number[][]): TokenStore {
  const store = new TokenStore();
  documents.forEach((ids, i) => {
    store.add(ids, undefined, i + 1);
  });
  return store;
}
const all = (store: TokenStore) => Int32Array.from({ length: store.count }, (_, i) => i);

test("a document ends in end-of-text, once, and its own words cannot write one", () => {
  expect(encodeDocument(new ByteTokenizer(), "hi")).toEqual([104, 105, 257]);
  expect(encodeDocument(new ByteTokenizer({ addsBos: true }), "hi")).toEqual([256, 104, 105, 257]);
  expect(encodeDocument(new ByteTokenizer(), "<eos>")?.filter((id) => id >= 256)).toEqual([257]);
  expect(encodeDocument(new ByteTokenizer(), "")).toBeUndefined();
});

describe("TextBlocks", () => {
  test("by hand: documents side by side, cut at the block, targets over the cut but not over a document's end", () => {
    const store = storeOf([
      [1, 2, 3],
      [4, 5, 6, 7, 8],
      [9, 10],
    ]);
    const loader = new BatchLoader(new TextBlocks(store, all(store), { blockLength: 4, seed: 1, shuffle: false }), {
      batchSize: 2,
      padding: 0,
    });
    expect(loader.batchesInEpoch(0)).toBe(1);
    expect(loader.next()).toEqual({
      blockCount: 2,
      blockLength: 4,
      tokens: Int32Array.of(1, 2, 3, 4, 5, 6, 7, 8),
      targets: Int32Array.of(2, 3, -1, 5, 6, 7, 8, -1),
      positions: Int32Array.of(0, 1, 2, 0, 0, 1, 2, 3),
      segmentStart: Int32Array.of(0, 0, 0, 3, 4, 4, 4, 4),
      segmentEnd: Int32Array.of(3, 3, 3, 4, 8, 8, 8, 8),
      trainedTokens: 6,
      tokenCount: 8,
      rows: [1, 2, 2],
    } satisfies Batch);
  });

  test("a split takes its documents only; blocks are shuffled by seed and epoch", () => {
    const store = storeOf(Array.from({ length: 40 }, (_, d) => Array.from({ length: 8 }, (_, i) => d * 10 + i)));
    const some = Int32Array.from([3, 5, 8, 13, 21, 34]);
    const tokensOf = (seed: number, epoch: number) => {
      const source = new TextBlocks(store, some, { blockLength: 8, seed });
      return [...new BatchLoader(source, { batchSize: 1, padding: 0 }).epoch(epoch)].map((batch) => batch.tokens[0]! / 10);
    };
    expect(tokensOf(1, 0)).toEqual(tokensOf(1, 0));
    expect([tokensOf(1, 0), tokensOf(1, 1), tokensOf(2, 0)].map((order) => order.slice().sort((a, b) => a - b))).toEqual(
      Array.from({ length: 3 }, () => [3, 5, 8, 13, 21, 34]),
    );
    expect(tokensOf(1, 1)).not.toEqual(tokensOf(1, 0));
  });

  test("less text than one block is one short block", () => {
    const store = storeOf([[1, 2, 3]]);
    const batch = new BatchLoader(new TextBlocks(store, all(store), { blockLength: 8, seed: 1 }), { batchSize: 1, padding: 0 }).next();
    expect([...batch.targets]).toEqual([2, 3, -1, -1, -1, -1, -1, -1]);
    expect(batch.tokenCount).toBe(3);
  });
});
