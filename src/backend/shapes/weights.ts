/** A weight matrix as stored: its bytes must be exactly those that its format and [rows, cols] need. Errors carry its path. */
import { DTypeError } from "../../errors/dtype-error.ts";
import { ShapeError } from "../../errors/shape-error.ts";
import type { WeightOperand } from "../backend.ts";
import { elementCount, WEIGHT_BLOCKS } from "../element-types.ts";
import { expectAtLeast, expectCount } from "../operand-checks.ts";

/** Elements that share one NF4 scale, and scales that share one f32 in double quantization (bitsandbytes' defaults). */
export const NF4_BLOCK = 64;
export const NF4_NEST = 256;

/** Rows and columns of an E4M3 matrix are multiples of this: tensor cores read 16 bytes at a time, along either for one of the two products. */
const E4M3_BLOCK = 16;

export function checkWeight(op: string, weight: WeightOperand): void {
  const { format, rows, cols, data, path } = weight;
  const where = `${op} ${path}`;
  const block = WEIGHT_BLOCKS[format];
  if (cols % block.elements !== 0) {
    throw new ShapeError(where, `${format} rows of a multiple of ${block.elements}`, [rows, cols], "Keep this matrix in bf16 or f16.");
  }
  if (format === "f32" || format === "bf16" || format === "f16") {
    if (data.dtype !== format) throw new DTypeError(`${where}: data`, format, data.dtype);
    if (elementCount(data) !== rows * cols) throw new ShapeError(`${where}: data`, [rows, cols], data.shape);
    return;
  }
  expectCount(where, "data", data, (rows * cols * block.bytes) / block.elements, "u8");
  if (format === "e4m3") {
    if (rows % E4M3_BLOCK !== 0)
      throw new ShapeError(where, `e4m3 with a multiple of ${E4M3_BLOCK} rows`, [rows, cols], "Use compute bf16.");
    if (!weight.scales) throw new ShapeError(`${where}: scales`, `f32 [${rows}]`, "nothing");
    expectCount(where, "scales", weight.scales, rows, "f32");
  }
  if (format !== "nf4") return;
  const blocks = (rows * cols) / NF4_BLOCK;
  const { scales, nested } = weight;
  if (!scales) throw new ShapeError(`${where}: scales`, `${blocks} elements`, "nothing");
  expectCount(where, "scales", scales, blocks, nested ? "u8" : "f32");
  if (nested) {
    expectAtLeast(where, "nested scales", nested.scales, Math.ceil(blocks / NF4_NEST), "f32");
    expectCount(where, "nested code", nested.code, 256, "f32");
  }
}
