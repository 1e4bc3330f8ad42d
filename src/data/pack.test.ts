/** Packing, batches, the loader and its cursor. */
import { describe, expect, test } from "vitest";
import type { Batch } from "./batch.ts";
import { BatchLoader } from "./loader.ts";
import { PackedRows, packLengths } from "./pack.ts";
import { makeRandom } from "./random.ts";
import { TokenStore } from "./token-store.ts";

/** Rows whose tokens tell which row they are of: row r is r·100, r·100 + 1, …; the last two thirds are trained. */
function storeOf(lengths: readonly number[]): TokenStore {
  const store = new TokenStore();
  lengths.forEach((length, r) => {
    const ids = Array.from({ length }, (_, i) => (r + 1) * 100 + i);
    store.add(
      ids,
      ids.map((_, i) => (i >= length / 3 ? 1 : 0)),
      r + 1,
    );
  });
  return store;
}
const everything = (store: TokenStore) => Int32Array.from({ length: store.count }, (_, i) => i);
const randomLengths = (count: number, longest: number) => {
  const random = makeRandom(5);
  return Array.from({ length: count }, () => 2 + Math.floor(random() * (longest - 1)));
};

describe("packLengths", () => {
  test("the longest first, each into the first block with room", () => {
    expect(packLengths([3, 8, 5, 2, 7], 10)).toEqual([[1, 3], [4, 0], [2]]);
    expect(packLengths([], 10)).toEqual([]);
    expect(packLengths([10, 10], 10)).toEqual([[0], [1]]);
  });

  test("within 11/9 of the best possible and never over the block", () => {
    const lengths = randomLengths(2000, 60);
    const blocks = packLengths(lengths, 128);
    expect(blocks.flat().sort((a, b) => a - b)).toEqual(lengths.map((_, i) => i));
    for (const block of blocks) expect(block.reduce((sum, i) => sum + lengths[i]!, 0)).toBeLessThanOrEqual(128);
    const least = Math.ceil(lengths.reduce((sum, length) => sum + length, 0) / 128);
    expect(blocks.length).toBeLessThanOrEqual(Math.ceil((11 / 9) * least) + 1);
  });
});

describe("a batch", () => {
  test("by hand: two rows in a block, one in the other, padding", () => {
    const store = storeOf([3, 4, 5]);
    const source = new PackedRows(store, everything(store), { blockLength: 8, seed: 1, shuffle: false });
    const batch = new BatchLoader(source, { batchSize: 2, padding: 9 }).next();
    expect(batch).toEqual({
      blockCount: 2,
      blockLength: 8,
      tokens: Int32Array.of(300, 301, 302, 303, 304, 100, 101, 102, 200, 201, 202, 203, 9, 9, 9, 9),
      // trained: from a third of the row on; a target belongs to the token before it, and a row's last token has none
      targets: Int32Array.of(-1, 302, 303, 304, -1, 101, 102, -1, -1, 202, 203, -1, -1, -1, -1, -1),
      positions: Int32Array.of(0, 1, 2, 3, 4, 0, 1, 2, 0, 1, 2, 3, 0, 0, 0, 0),
      segmentStart: Int32Array.of(0, 0, 0, 0, 0, 5, 5, 5, 8, 8, 8, 8, 0, 0, 0, 0),
      segmentEnd: Int32Array.of(5, 5, 5, 5, 5, 8, 8, 8, 12, 12, 12, 12, 0, 0, 0, 0),
      trainedTokens: 7,
      tokenCount: 12,
      rows: [3, 1, 2],
    } satisfies Batch);
  });

  test("no segment crosses a block or another row, and every token of every row stands once", () => {
    const store = storeOf(randomLengths(500, 40));
    const loader = new BatchLoader(new PackedRows(store, everything(store), { blockLength: 64, seed: 3 }), { batchSize: 3, padding: -7 });
    const seen: number[] = [];
    for (const batch of loader.epoch(2)) {
      for (let n = 0; n < batch.tokens.length; n++) {
        const [start, end] = [batch.segmentStart[n]!, batch.segmentEnd[n]!];
        if (start === end) {
          expect([batch.tokens[n], batch.targets[n]]).toEqual([-7, -1]);
          continue;
        }
        expect(start <= n && n < end && Math.floor(start / 64) === Math.floor((end - 1) / 64)).toBe(true);
        expect(batch.positions[n]).toBe(n - start);
        expect(Math.floor(batch.tokens[n]! / 100)).toBe(Math.floor(batch.tokens[start]! / 100));
        if (batch.targets[n] !== -1) expect(batch.targets[n]).toBe(batch.tokens[n + 1]);
        seen.push(batch.tokens[n]!);
      }
    }
    const expected = [...everything(store)].flatMap((i) => [...store.get(i).ids]);
    expect(seen.sort((a, b) => a - b)).toEqual(expected.sort((a, b) => a - b));
  });

  test("unpacked: one row in a block", () => {
    const store = storeOf([3, 4, 5]);
    const loader = new BatchLoader(new PackedRows(store, everything(store), { blockLength: 8, seed: 1, packing: false }), {
      batchSize: 2,
      padding: 0,
    });
    expect(loader.batchesInEpoch(0)).toBe(2);
    const batches = [...loader.epoch(0)];
    expect(batches.map((batch) => batch.rows.length)).toEqual([2, 1]);
    expect(batches.flatMap((batch) => batch.rows).sort()).toEqual([1, 2, 3]);
  });

  test("a row longer than the block is refused before anything is laid out", () => {
    const store = storeOf([3, 9]);
    expect(() => new PackedRows(store, everything(store), { blockLength: 8, seed: 1 })).toThrowErrorMatchingInlineSnapshot(
      `[RangeError: row 2 has 9 tokens, the block 8: cut rows before packing]`,
    );
  });
});

describe("order", () => {
  const store = storeOf(randomLengths(300, 30));
  const make = (seed: number) =>
    new BatchLoader(new PackedRows(store, everything(store), { blockLength: 64, seed, windowRows: 100 }), { batchSize: 2, padding: 0 });

  test("the same seed gives the same batches; another seed and another epoch give others", () => {
    const first = make(1);
    const again = make(1);
    for (let i = 0; i < 5; i++) expect(first.next()).toEqual(again.next());
    expect(make(2).batch(0, 0).rows).not.toEqual(make(1).batch(0, 0).rows);
    expect(make(1).batch(1, 0).rows).not.toEqual(make(1).batch(0, 0).rows);
  });

  test("from a cursor on everything follows as if nothing had stopped, over an epoch's end too", () => {
    const loader = make(4);
    const steps = loader.batchesInEpoch(0) + 3;
    for (let i = 0; i < steps - 5; i++) loader.next();
    const cursor = JSON.parse(JSON.stringify(loader.cursor()));
    const rest = Array.from({ length: 10 }, () => loader.next());
    const resumed = make(4);
    resumed.seek(cursor);
    expect(Array.from({ length: 10 }, () => resumed.next())).toEqual(rest);
    expect(resumed.cursor()).toEqual(loader.cursor());
    expect(loader.cursor().epoch).toBe(1);
  });

  test("a cursor that the data does not have", () => {
    expect(() => make(1).seek({ epoch: 0, index: 100_000 })).toThrow(/the data is not what it was/);
  });

  test("looking at an epoch does not move the cursor; no data is an error, not an endless loop", () => {
    const loader = make(1);
    loader.next();
    for (const _ of loader.epoch(3)) break;
    expect(loader.cursor()).toEqual({ epoch: 0, index: 1 });
    const none = new BatchLoader(new PackedRows(store, new Int32Array(0), { blockLength: 64, seed: 1 }), { batchSize: 2, padding: 0 });
    expect(() => none.next()).toThrow(RangeError);
  });
});
