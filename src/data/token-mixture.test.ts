import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { type Batch, emptyBatch } from "./batch.ts";
import { TemporaryFolder } from "./testing/temporary-folder.ts";
import { TokenBlocks } from "./token-blocks.ts";
import { TokenFile, TokenFileWriter } from "./token-file.ts";
import { heldOutBatches, TokenMixture } from "./token-mixture.ts";

const END = 99;

/** A token file of these documents, without their ends. */
async function fileOf(folder: TemporaryFolder, name: string, documents: readonly number[][]): Promise<TokenFile> {
  const path = join(folder.path, name);
  const writer = await TokenFileWriter.create(path, { endId: END, vocabularySize: 100, print: "ab".repeat(16) });
  for (const ids of documents) await writer.add(ids, ids.length);
  await writer.finish();
  return new TokenFile(path);
}

/** `count` documents of three tokens, all `id`. */
const many = (count: number, id: number) => Array.from({ length: count }, () => [id, id, id]);

describe("blocks of a token file", () => {
  test("by hand: documents keep to themselves, a cut one is trained on what follows", async () => {
    using folder = new TemporaryFolder();
    using file = await fileOf(folder, "a", [[1, 2, 3], [4, 5, 6, 7], [8]]);
    const batch = [...heldOutBatches(file, { blockLength: 6, batchSize: 2 })];
    expect(batch).toEqual([
      {
        blockCount: 2,
        blockLength: 6,
        tokens: Int32Array.of(1, 2, 3, END, 4, 5, 6, 7, END, 8, END, 0),
        targets: Int32Array.of(2, 3, END, -1, 5, 6, 7, END, -1, END, -1, -1),
        positions: Int32Array.of(0, 1, 2, 3, 0, 1, 0, 1, 2, 0, 1, 0),
        segmentStart: Int32Array.of(0, 0, 0, 0, 4, 4, 6, 6, 6, 9, 9, 0),
        segmentEnd: Int32Array.of(4, 4, 4, 4, 6, 6, 9, 9, 9, 11, 11, 0),
        trainedTokens: 8,
        tokenCount: 11,
        rows: [0, 0, 0, 0],
      } satisfies Batch,
    ]);
  });

  test("an epoch takes every block once; the next one cuts elsewhere and orders anew", async () => {
    using folder = new TemporaryFolder();
    using file = await fileOf(
      folder,
      "a",
      Array.from({ length: 60 }, (_, i) => [i, i, i]),
    );
    const blocks = new TokenBlocks(file, { blockLength: 8, seed: 3 });
    const epoch = (number: number) =>
      Array.from({ length: blocks.blockCount }, (_, i) => {
        const batch = emptyBatch(1, 8, 0);
        blocks.fill(number * blocks.blockCount + i, batch, 0);
        return [...batch.tokens].join(" ");
      });
    const [first, second] = [epoch(0), epoch(2)];
    expect(new Set(first).size).toBe(29);
    expect(epoch(0)).toEqual(first);
    expect(first.filter((block) => second.includes(block)).length).toBeLessThan(29);
  });

  test("a file shorter than a block is one short block, again and again", async () => {
    using folder = new TemporaryFolder();
    using file = await fileOf(folder, "a", [[1, 2]]);
    const blocks = new TokenBlocks(file, { blockLength: 8, seed: 3 });
    const batch = emptyBatch(1, 8, 0);
    blocks.fill(5, batch, 0);
    expect([...batch.targets]).toEqual([2, END, -1, -1, -1, -1, -1, -1]);
  });

  test("a file without tokens is refused", async () => {
    using folder = new TemporaryFolder();
    using file = await fileOf(folder, "a", []);
    expect(() => new TokenBlocks(file, { blockLength: 8, seed: 3 })).toThrow(/expected tokens, found none/);
  });
});

describe("a mixture", () => {
  test("takes blocks by weight, nothing of a weight of 0, and goes on from a cursor", async () => {
    using folder = new TemporaryFolder();
    using one = await fileOf(folder, "one", many(400, 1));
    using two = await fileOf(folder, "two", many(400, 2));
    using three = await fileOf(folder, "three", many(400, 3));
    const open = () => new TokenMixture([one, two, three], { blockLength: 8, batchSize: 10, seed: 4 });
    const mixture = open();
    for (let i = 0; i < 100; i++) mixture.next([3, 1, 0]);
    const { taken } = mixture.cursor();
    expect(taken[0]! + taken[1]!).toBe(1000);
    expect(taken[0]).toBeGreaterThan(700);
    expect(taken[0]).toBeLessThan(800);
    expect(taken[2]).toBe(0);
    expect(mixture.epochs[0]).toBeCloseTo(taken[0]! / 199);

    const again = open();
    again.seek(mixture.cursor());
    expect(again.next([0, 1, 1])).toEqual(mixture.next([0, 1, 1]));
    expect(() => again.seek({ taken: [1] })).toThrow("expected counts of 3 files, found 1");
  });
});
