/** Random weights in every stored format: random codes under scales that keep the weights near ±0.1, so that sums stay near 1. */
import type { WeightFormat, WeightOperand } from "../backend.ts";
import { WEIGHT_BLOCKS } from "../element-types.ts";
import { toF16 } from "./number-codec.ts";
import type { RandomData } from "./random-data.ts";
import type { TestArrays } from "./test-arrays.ts";

/** A weight format, or NF4 with double quantization. */
export type StoredFormat = WeightFormat | "nf4-nested";

/** All that only store a weight. E4M3 also says how it is multiplied, which has a test of its own. */
export const STORED_FORMATS: readonly StoredFormat[] = [
  ...(Object.keys(WEIGHT_BLOCKS) as WeightFormat[]).filter((format) => format !== "e4m3"),
  "nf4-nested",
];

/** Where the f16 scales lie in each GGUF block, and how large they are. */
const SCALES: Partial<Record<WeightFormat, readonly (readonly [offset: number, low: number, high: number])[]>> = {
  q8_0: [[0, 0.0005, 0.001]],
  q4_0: [[0, 0.01, 0.02]],
  q4_1: [
    [0, 0.01, 0.02],
    [2, -0.15, 0],
  ],
  q5_0: [[0, 0.005, 0.01]],
  q5_1: [
    [0, 0.005, 0.01],
    [2, -0.15, 0],
  ],
  q4_k: [
    [0, 0.0002, 0.0004],
    [2, 0.001, 0.002],
  ],
  q5_k: [
    [0, 0.0001, 0.0002],
    [2, 0.001, 0.002],
  ],
  q6_k: [[208, 0.00002, 0.00005]],
};

/** Columns that suit the format: `cols` rounded up to its block. */
export function fittingColumns(format: StoredFormat, cols: number): number {
  const block = WEIGHT_BLOCKS[format === "nf4-nested" ? "nf4" : format].elements;
  return Math.ceil(cols / block) * block;
}

export function randomWeight(arrays: TestArrays, format: StoredFormat, rows: number, cols: number, random: RandomData): WeightOperand {
  const path = `test.${format}`;
  if (format === "f32" || format === "bf16" || format === "f16") {
    return arrays.weight(format, rows, cols, random.normals(rows * cols, 0.1), path);
  }
  if (format === "nf4" || format === "nf4-nested") return randomNf4(arrays, format, rows, cols, random);
  if (format === "e4m3") return randomE4m3(arrays, rows, cols, random);
  const block = WEIGHT_BLOCKS[format];
  const count = (rows * cols) / block.elements;
  const bytes = Uint8Array.from(random.integers(count * block.bytes, 0, 256));
  for (let b = 0; b < count; b++) {
    for (const [offset, low, high] of SCALES[format]!) {
      const half = toF16(random.uniforms(1, low, high)[0]!);
      bytes[b * block.bytes + offset] = half & 255;
      bytes[b * block.bytes + offset + 1] = half >> 8;
    }
  }
  return { format, rows, cols, data: arrays.inputBytes("u8", [bytes.length], bytes), path };
}

/** Every code but NaN, under scales that differ from row to row. */
function randomE4m3(arrays: TestArrays, rows: number, cols: number, random: RandomData): WeightOperand {
  const codes = Array.from(random.integers(rows * cols, 0, 254), (i) => (i < 127 ? i : i + 1));
  const scales = Array.from(random.integers(rows, -13, -10), (exponent) => 2 ** exponent);
  return {
    format: "e4m3",
    rows,
    cols,
    data: arrays.input("u8", [rows, cols], codes),
    scales: arrays.input("f32", [rows], scales),
    path: "test.e4m3",
  };
}

function randomNf4(arrays: TestArrays, format: "nf4" | "nf4-nested", rows: number, cols: number, random: RandomData): WeightOperand {
  const blocks = (rows * cols) / 64;
  const data = arrays.input("u8", [blocks * 32], random.integers(blocks * 32, 0, 256));
  const weight = { format: "nf4" as const, rows, cols, data, path: `test.${format}` };
  if (format === "nf4") return { ...weight, scales: arrays.input("f32", [blocks], random.uniforms(blocks, 0.1, 0.3)) };
  const groups = Math.ceil(blocks / 256);
  return {
    ...weight,
    scales: arrays.input("u8", [blocks], random.integers(blocks, 0, 256)),
    nested: {
      scales: arrays.input("f32", [groups], random.uniforms(groups, 0.05, 0.1)),
      code: arrays.input(
        "f32",
        [256],
        Float64Array.from({ length: 256 }, (_, i) => (i - 128) / 128),
      ),
      offset: 0.2,
    },
  };
}
