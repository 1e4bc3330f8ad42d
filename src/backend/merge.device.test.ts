import { expect, it } from "vitest";
import type { LoraOperand } from "./backend.ts";
import { ACTIVATION_DTYPES } from "./element-types.ts";
import { compareWithReference, runCase } from "./testing/compare-with-reference.ts";
import { describeOnEachDevice } from "./testing/describe-on-each-device.ts";
import { RandomData } from "./testing/random-data.ts";
import { fittingColumns, randomWeight, STORED_FORMATS } from "./testing/random-weights.ts";
import { TestArrays } from "./testing/test-arrays.ts";

/** Rows and columns around a tile's and a panel's edges, ranks from none to several adapters stacked; `from` is the first row asked for. */
const SIZES = [
  { rows: 1, cols: 1, rank: 1, from: 0 },
  { rows: 37, cols: 100, rank: 3, from: 5 },
  { rows: 70, cols: 576, rank: 16, from: 0 },
  { rows: 9, cols: 1500, rank: 40, from: 8 },
  { rows: 20, cols: 320, rank: 0, from: 3 },
] as const;

function randomLora(arrays: TestArrays, rows: number, cols: number, rank: number, random: RandomData): LoraOperand | null {
  if (rank === 0) return null;
  const a = arrays.input("f32", [rank, cols], random.normals(rank * cols, 0.2));
  const b = arrays.input("f32", [rows, rank], random.normals(rows * rank, 0.2));
  return { a, b, rank, scale: 0.75 };
}

describeOnEachDevice("merging an adapter into rows of a weight", (device) => {
  it("adds scale · B A, by hand", async ({ skip }) => {
    const backend = device.backend();
    if (!backend.mergeRows) return skip("files are written by the CPU");
    const arrays = new TestArrays(backend);
    const weight = arrays.weight("bf16", 2, 3, [1, 2, 3, 4, 5, 6]);
    const a = arrays.input("f32", [2, 3], [1, 0, -1, 0.5, 1, 2]);
    const b = arrays.input("f32", [2, 2], [1, 2, -4, 8]);
    const out = arrays.output("out", "f32", [1, 3]);
    arrays.reset();
    backend.mergeRows(weight, { a, b, rank: 2, scale: 0.5 }, out, 1, 1);
    // Row 1: [4, 5, 6] + 0.5 · (−4 · [1, 0, −1] + 8 · [0.5, 1, 2]) = [4, 5, 6] + [0, 4, 10]
    expect([...(await arrays.read(out))]).toEqual([4, 9, 16]);
    arrays.release();
  });

  it.each(STORED_FORMATS.flatMap((format) => ACTIVATION_DTYPES.map((dtype) => [format, dtype] as const)))(
    "%s to %s equals the reference",
    async (format, dtype) => {
      if (!device.backend().mergeRows) return;
      for (const { rows, cols: wanted, rank, from } of SIZES) {
        const cols = fittingColumns(format, wanted);
        await compareWithReference(
          device.backend(),
          (arrays) => {
            const random = new RandomData(rows + cols);
            const weight = randomWeight(arrays, format, rows, cols, random);
            const lora = randomLora(arrays, rows, cols, rank, random);
            const out = arrays.output("out", dtype, [rows - from, cols]);
            return () => arrays.backend.mergeRows!(weight, lora, out, from, rows - from);
          },
          { label: `${format} [${rows}, ${cols}] rank ${rank} to ${dtype}` },
        );
      }
    },
  );

  it("keeps every bit of a weight without an adapter, signs of zero and subnormals too", async () => {
    const backend = device.backend();
    if (!backend.mergeRows) return;
    const arrays = new TestArrays(backend);
    const words = Uint16Array.from({ length: 65_536 }, (_, word) => word);
    for (const [dtype, infinity] of [
      ["bf16", 0x7f80],
      ["f16", 0x7c00],
    ] as const) {
      const data = arrays.inputBytes(dtype, [1, words.length], new Uint8Array(words.buffer));
      const out = arrays.output("out", dtype, [1, words.length]);
      arrays.reset();
      backend.mergeRows({ format: dtype, rows: 1, cols: words.length, data, path: "words" }, null, out, 0, 1);
      const found = new Uint16Array((await backend.download(out)).buffer);
      const isNaNWord = (word: number) => (word & 0x7fff) > infinity;
      const changed = words.filter((word) => (isNaNWord(word) ? !isNaNWord(found[word]!) : found[word] !== word));
      expect([...changed]).toEqual([]);
    }
    arrays.release();
  });

  it.each(ACTIVATION_DTYPES)("straight to NF4 equals encoding the merged rows in %s, to the bit", async (dtype) => {
    const backend = device.backend();
    if (!backend.mergeRowsNf4) return;
    for (const format of ["bf16", "f32", "nf4-nested", "q4_k"] as const) {
      for (const { rows, cols: wanted, rank, from } of SIZES.slice(1)) {
        const cols = Math.ceil(fittingColumns(format, wanted) / 64) * 64;
        const count = rows - from;
        const outputs = await runCase(backend, (arrays) => {
          const random = new RandomData(rows + cols);
          const weight = randomWeight(arrays, format, rows, cols, random);
          const lora = randomLora(arrays, rows, cols, rank, random);
          const merged = arrays.output("merged", dtype, [count, cols]);
          const [codes, absmax] = [
            arrays.output("codes", "u8", [(count * cols) / 2]),
            arrays.output("absmax", "f32", [(count * cols) / 64]),
          ];
          const [after, scales] = [
            arrays.output("after", "u8", [(count * cols) / 2]),
            arrays.output("scales", "f32", [(count * cols) / 64]),
          ];
          return () => {
            backend.mergeRowsNf4!(weight, lora, dtype, codes, absmax, from, count);
            backend.mergeRows!(weight, lora, merged, from, count);
            backend.nf4Encode(merged, after, scales);
          };
        });
        const bytes = (name: string) => Buffer.from(outputs.get(name)!.bytes);
        expect(bytes("codes").equals(bytes("after")), `codes of ${format} [${rows}, ${cols}]`).toBe(true);
        expect(bytes("absmax").equals(bytes("scales")), `absmax of ${format} [${rows}, ${cols}]`).toBe(true);
      }
    }
  });

  it("refuses rows that are not there, an adapter of another shape, rows that are no whole blocks", () => {
    const backend = device.backend();
    if (!backend.mergeRows) return;
    const arrays = new TestArrays(backend);
    const weight = arrays.weight("f32", 4, 8, new Float64Array(32));
    const out = arrays.output("out", "f32", [2, 8]);
    expect(() => backend.mergeRows!(weight, null, out, 3, 2)).toThrow("mergeRows test.weight: rows: expected within 0 … 4, found 3 … 5");
    const [a, b] = [arrays.input("f32", [2, 8], new Float64Array(16)), arrays.input("f32", [3, 2], new Float64Array(6))];
    expect(() => backend.mergeRows!(weight, { a, b, rank: 2, scale: 1 }, out, 0, 2)).toThrow("mergeRows test.weight: B");
    const [codes, absmax] = [arrays.output("codes", "u8", [8]), arrays.output("absmax", "f32", [1])];
    expect(() => backend.mergeRowsNf4!(weight, null, "bf16", codes, absmax, 0, 2)).toThrow("rows of a multiple of 64");
    arrays.release();
  });
});
