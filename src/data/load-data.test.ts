/** From files to tokens, split and counted; then what `data stats` and `data preview` make of them. */
import { describe, expect, test } from "vitest";
import { loadTemplate } from "../text/templates/load-template.ts";
import { ByteTokenizer } from "../text/testing/byte-tokenizer.ts";
import { trainedTokenizer } from "../text/testing/trained-tokenizer.ts";
import { type LoadDataOptions, loadData } from "./load-data.ts";
import { renderPreview } from "./preview.ts";
import { contentHash, splitByHash } from "./split.ts";
import { dataStats, formatStats } from "./stats.ts";
import { TemporaryFolder } from "./testing/temporary-folder.ts";

const bytes = new ByteTokenizer();
const options = (files: string[], changes: Partial<LoadDataOptions> = {}): LoadDataOptions => ({
  files,
  tokenizer: bytes,
  template: loadTemplate("{instruction}>{output}", bytes),
  blockLength: 64,
  seed: 1,
  ...changes,
});
const lines = (rows: readonly object[]) => rows.map((row) => JSON.stringify(row)).join("\n");
const numbered = (count: number) => Array.from({ length: count }, (_, i) => ({ instruction: `${i}?`, output: `${i}!` }));

describe("loadData", () => {
  test("rows of several files and formats become examples", async () => {
    using folder = new TemporaryFolder();
    const a = folder.file("a.jsonl", lines([{ instruction: "a", output: "b" }]));
    const b = folder.file("b.csv", "prompt,completion\nc,d\n");
    using data = await loadData(options([a, b]));
    expect(data.counts).toEqual({ rows: 2, duplicates: 0, truncated: 0, tooLong: 0, responseCut: 0 });
    expect([0, 1].map((i) => bytes.decode(data.store.get(i).ids, { skipSpecial: false }))).toEqual(["a>b<eos>", "c>d<eos>"]);
    expect([...data.store.get(1).trained]).toEqual([0, 0, 1, 1]);
  });

  test("long rows: cut with the response's start kept, dropped, or an error", async () => {
    using folder = new TemporaryFolder();
    const rows = [
      { instruction: "q", output: "x".repeat(20) },
      { instruction: "q".repeat(20), output: "never seen" },
      { instruction: "q", output: "fits" },
    ];
    const file = folder.file("a.jsonl", lines(rows));
    using cut = await loadData(options([file], { blockLength: 10 }));
    expect(cut.counts).toMatchObject({ rows: 3, truncated: 1, responseCut: 1 });
    expect(bytes.decode(cut.store.get(0).ids, { skipSpecial: false })).toBe("q>xxxxxxxx");
    expect(cut.store.row(1)).toBe(3);
    using dropped = await loadData(options([file], { blockLength: 10, longRows: "drop" }));
    expect(dropped.counts).toMatchObject({ tooLong: 2, truncated: 0 });
    expect(dropped.store.count).toBe(1);
    expect(await folder.message(() => loadData(options([file], { blockLength: 10, longRows: "error" })))).toMatchInlineSnapshot(`
      "Reading a.jsonl, row 1: expected at most 10 tokens (the block), found 23
        Set the block to at least 23 tokens, or let long rows be truncated or dropped."
    `);
  });

  test("held-out rows: by fraction, by count, or from a file; duplicates are counted and stay on one side", async () => {
    using folder = new TemporaryFolder();
    const file = folder.file("a.jsonl", lines([...numbered(400), ...numbered(100)]));
    using data = await loadData(options([file], { heldOut: { fraction: 0.25 } }));
    expect(data.counts.duplicates).toBe(100);
    expect(data.split.heldOut.length / 500).toBeCloseTo(0.25, 1);
    const texts = (indexes: Int32Array) => Array.from(indexes, (i) => bytes.decode(data.store.get(i).ids));
    const held = new Set(texts(data.split.heldOut));
    expect(texts(data.split.training).filter((text) => held.has(text))).toEqual([]);
    using counted = await loadData(options([folder.file("b.jsonl", lines(numbered(300)))], { heldOut: { count: 30 } }));
    expect([counted.split.training.length, counted.split.heldOut.length]).toEqual([270, 30]);
    const other = folder.file("held.jsonl", lines(numbered(7)));
    using separate = await loadData(options([file], { heldOutFiles: [other] }));
    expect([separate.split.training.length, separate.split.heldOut.length]).toEqual([500, 7]);
  });

  test("pretraining takes documents as they are", async () => {
    using folder = new TemporaryFolder();
    const file = folder.file("a.txt", "one\n<|doc|>\ntwo\n");
    using data = await loadData(options([file], { objective: "pretrain", template: undefined, blockLength: 2 }));
    expect([0, 1].map((i) => bytes.decode(data.store.get(i).ids, { skipSpecial: false }))).toEqual(["one<eos>", "two<eos>"]);
  });

  test("the first bad row stops everything, with its place", async () => {
    using folder = new TemporaryFolder();
    const message = (rows: readonly object[], changes?: Partial<LoadDataOptions>) =>
      folder.message(() => loadData(options([folder.file("a.jsonl", lines(rows))], changes)));
    expect(await message([...numbered(2), { instruction: "q", output: "" }])).toMatchInlineSnapshot(`
      "Reading a.jsonl, row 3, line 3, column "output": expected a response to train on, found an empty one
        Complete the row, or remove it."
    `);
    expect(await message([...numbered(1), { instruction: "q" }])).toMatchInlineSnapshot(`
      "Reading a.jsonl, row 2, line 2, column "output": expected text for output, found no such column in this row
        Complete the row, or remove it."
    `);
    const template = loadTemplate("{instruction}{level}>{output}", bytes);
    expect(await message([{ instruction: "q", level: 1, output: "a" }, ...numbered(1)], { template })).toMatchInlineSnapshot(`
      "Reading a.jsonl, row 2: rendering template (inline): expected a value for {level}, found none in the row
        The row has: instruction, output. Map a column to level, or give it as a constant."
    `);
    expect(await message([])).toMatchInlineSnapshot(`
      "Reading a.jsonl: expected rows, found none
        Give a file with at least one row."
    `);
    expect(await message(numbered(3), { blockLength: 3 })).toMatchInlineSnapshot(`
      "Reading a.jsonl: expected rows that fit a block of 3 tokens, found that all 3 are too long
        Make the block longer."
    `);
    expect(await message(numbered(3), { heldOut: { count: 3 } })).toMatchInlineSnapshot(`
      "Reading a.jsonl: expected rows to train on, found that all 3 are held out
        Hold out fewer rows."
    `);
  });

  test("progress is told and a stop request is heard", async () => {
    using folder = new TemporaryFolder();
    const file = folder.file("a.jsonl", lines(numbered(5000)));
    const abort = new AbortController();
    const seen: number[] = [];
    const onProgress = (rows: number) => {
      seen.push(rows);
      if (rows >= 2000) abort.abort(new Error("enough"));
    };
    await expect(loadData(options([file], { onProgress, signal: abort.signal }))).rejects.toThrow("enough");
    expect(seen).toEqual([1000, 2000]);
  });
});

describe("splitByHash", () => {
  const hashes = Array.from({ length: 5000 }, (_, i) => contentHash({ i }));

  test("a row's side does not depend on the others; a seed picks others", () => {
    const held = (list: number[], seed: number) => Array.from(splitByHash(list, { fraction: 0.1 }, seed).heldOut, (i) => list[i]!);
    const all = held(hashes, 1);
    expect(all.length / hashes.length).toBeCloseTo(0.1, 1);
    expect(held(hashes.slice(0, 1000), 1)).toEqual(all.filter((hash) => hashes.indexOf(hash) < 1000));
    expect(held(hashes, 2).filter((hash) => all.includes(hash)).length).toBeLessThan(all.length / 2);
  });

  test("nothing held out, and more than there is", () => {
    expect(splitByHash(hashes, undefined, 1).heldOut).toHaveLength(0);
    expect(splitByHash(hashes, { count: 0 }, 1).heldOut).toHaveLength(0);
    expect(splitByHash([1, 2], { count: 10 }, 1).training).toHaveLength(0);
  });
});

test("stats as figures and as a table", async () => {
  using folder = new TemporaryFolder();
  const rows = [...numbered(9), { instruction: "0?", output: "0!" }, { instruction: "long", output: "y".repeat(90) }];
  using data = await loadData(options([folder.file("a.jsonl", lines(rows))], { heldOut: { count: 2 } }));
  const stats = dataStats(data, 64);
  expect(stats).toMatchObject({
    rows: 11,
    duplicates: 1,
    truncated: 1,
    blockLength: 64,
    unpacked: { blocks: stats.examples },
    length: { min: 6, max: 64 },
  });
  expect(stats.examples + stats.heldOut).toBe(11);
  expect(stats.histogram.reduce((sum, bin) => sum + bin.count, 0)).toBe(stats.examples);
  expect(stats.packed.fill).toBeCloseTo(stats.tokens / (stats.packed.blocks * 64), 10);
  expect(formatStats(stats)).toMatchInlineSnapshot(`
    "rows                  11 (1 repeat an earlier one)
    training / held out   9 / 2
    tokens                112
    trained tokens        83 (74.1%)
    tokens in a row       6 least, 6 median, 12.4 mean, 64 at 95%, 64 most
    cut to the block      1
    blocks, packed        2 of 64 tokens, 87.5% full
    blocks, one row each  9, 19.4% full

    tokens in a row
       6–10  ████████████████████████████████████████  8
      11–15                                            0
      16–20                                            0
      21–25                                            0
      26–30                                            0
      31–35                                            0
      36–40                                            0
      41–45                                            0
      46–50                                            0
      51–55                                            0
      56–60                                            0
      61–65  █████                                     1"
  `);
});

describe("renderPreview", () => {
  const row = { ids: [256, ...bytes.encode("q\t\u0007\n駅"), 257], trained: [0, 0, 0, 0, 0, 1, 1, 1, 1], row: 3 };

  test("without colour: brackets around what is trained, special and control tokens visible", () => {
    expect(renderPreview([row], bytes)).toMatchInlineSnapshot(`
      "⟦trained⟧ · not trained · ‹special token›

      — row 3 · 9 tokens, 4 trained —
      ‹<bos>›q→	␇⏎
      ⟦駅‹<eos>›⟧"
    `);
  });

  test("with colour", () => {
    expect(renderPreview([{ ...row, truncated: true }], bytes, { colour: true })).toMatchInlineSnapshot(`
      "[1;32mtrained[0m · not trained · [36m‹special token›[0m

      [2mrow 3 · 9 tokens, 4 trained · cut to the block[0m
      [36m‹<bos>›[0mq→	␇⏎
      [1;32m駅[0m[1;30;42m‹<eos>›[0m"
    `);
  });

  test("long rows show their start and end", () => {
    const ids = bytes.encode("a".repeat(50));
    expect(
      renderPreview([{ ids, trained: ids.map(() => 1), row: 1 }], bytes, { maxTokens: 10 })
        .split("\n")
        .slice(-3),
    ).toEqual(["⟦aaaaa⟧", "… 40 tokens not shown …", "⟦aaaaa⟧"]);
  });

  test("characters of several tokens come out whole", async () => {
    const tokenizer = await trainedTokenizer();
    const ids = tokenizer.encode("翻訳👍");
    expect(renderPreview([{ ids, trained: ids.map(() => 1), row: 1 }], tokenizer)).toContain("⟦翻訳👍⟧");
  });
});
