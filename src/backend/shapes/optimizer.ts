/** Sizes of the optimizer, number formats and sampling, checked. Optimizer arrays are flat. */
import { DTypeError } from "../../errors/dtype-error.ts";
import { ShapeError } from "../../errors/shape-error.ts";
import type { ActivationDType, AdamWOperand, GgufBlockFormat, LoraOperand, Operand, SamplingOperand, WeightOperand } from "../backend.ts";
import { elementCount, WEIGHT_BLOCKS } from "../element-types.ts";
import { expectAtLeast, expectCount, expectMatrix, matrix } from "../operand-checks.ts";
import { NF4_BLOCK, NF4_NEST } from "./weights.ts";

/** Elements that share one scale of an 8-bit optimizer state. */
const STATE_BLOCK = 256;

export function gradientNormSizes(gradients: Operand, norm: Operand) {
  const count = elementCount(gradients);
  expectCount("gradientNorm", "gradients", gradients, count, "f32");
  expectCount("gradientNorm", "norm", norm, 2, "f32");
  return { count };
}

export function scaleLossSizes(scaling: Operand, factor: Operand, lossScale: Operand) {
  expectCount("scaleLoss", "scaling", scaling, 4, "f32");
  expectCount("scaleLoss", "factor", factor, 1, "f32");
  expectCount("scaleLoss", "lossScale", lossScale, 1, "f32");
}

export function updateLossScaleSizes(norm: Operand, scaling: Operand) {
  expectCount("updateLossScale", "norm", norm, 2, "f32");
  expectCount("updateLossScale", "scaling", scaling, 4, "f32");
}

export function adamwSizes(state: AdamWOperand) {
  const op = "adamw";
  const { gradients, params, m, v, mScales, vScales, weightsOut } = state;
  const count = elementCount(params);
  expectCount(op, "params", params, count, "f32");
  expectCount(op, "gradients", gradients, count, "f32");
  expectCount(op, "hyper", state.hyper, 8, "f32");
  expectAtLeast(op, "clip", state.clip, 1, "f32");
  const eightBit = m.dtype === "u8";
  expectCount(op, "m", m, count, eightBit ? "u8" : "f32");
  expectCount(op, "v", v, count, eightBit ? "u8" : "f32");
  if (eightBit) {
    const blocks = Math.ceil(count / STATE_BLOCK);
    if (!mScales || !vScales)
      throw new ShapeError(`${op}: scales of m and v`, `f32 [${blocks}] each, because the state is 8-bit`, "nothing");
    expectCount(op, "mScales", mScales, blocks, "f32");
    expectCount(op, "vScales", vScales, blocks, "f32");
  }
  const outDType: ActivationDType = weightsOut ? matrix(op, "weightsOut", weightsOut).dtype : "f32";
  if (weightsOut) expectCount(op, "weightsOut", weightsOut, count, outDType);
  return { count, eightBit, outDType };
}

export function nf4EncodeSizes(x: Operand, codes: Operand, absmax: Operand) {
  const { dtype } = matrix("nf4Encode", "x", x);
  const count = elementCount(x);
  expectCount("nf4Encode", "codes", codes, Math.ceil(count / 2), "u8");
  expectCount("nf4Encode", "absmax", absmax, Math.ceil(count / NF4_BLOCK), "f32");
  return { count, dtype };
}

export function nf4NestSizes(absmax: Operand, nestedCode: Operand, scaleCodes: Operand, nested: Operand, offset: Operand) {
  const op = "nf4Nest";
  const blocks = elementCount(absmax);
  expectCount(op, "absmax", absmax, blocks, "f32");
  expectCount(op, "nestedCode", nestedCode, 256, "f32");
  expectCount(op, "scaleCodes", scaleCodes, blocks, "u8");
  expectCount(op, "nested", nested, Math.ceil(blocks / NF4_NEST), "f32");
  expectCount(op, "offset", offset, 1, "f32");
  return { blocks };
}

export function fp8EncodeSizes(x: Operand, codes: Operand, scales: Operand) {
  const op = "fp8Encode";
  const { N: rows, width: cols, dtype } = matrix(op, "x", x);
  if (dtype === "f16") throw new DTypeError(`${op}: x`, "f32 or bf16", dtype);
  expectCount(op, "codes", codes, rows * cols, "u8");
  expectCount(op, "scales", scales, rows, "f32");
  return { rows, cols, dtype };
}

export function weightDecodeSizes(weight: WeightOperand, out: Operand, row: number, rowCount: number) {
  const op = `weightDecode ${weight.path}`;
  const { dtype } = matrix(op, "out", out);
  expectMatrix(op, "out", out, rowCount, weight.cols, dtype);
  if (row < 0 || rowCount < 0 || row + rowCount > weight.rows) {
    throw new ShapeError(`${op}: rows`, `within 0 … ${weight.rows}`, `${row} … ${row + rowCount}`);
  }
  return { dtype };
}

/** Sizes of `mergeRows`; NF4 has `codes` and `absmax` in place of `out`. */
export function mergeRowsSizes(
  weight: WeightOperand,
  lora: LoraOperand | null,
  row: number,
  rowCount: number,
  target: { out: Operand } | { dtype: ActivationDType; codes: Operand; absmax: Operand },
) {
  const op = `mergeRows ${weight.path}`;
  const { rows, cols } = weight;
  if (row < 0 || rowCount < 0 || row + rowCount > rows) {
    throw new ShapeError(`${op}: rows`, `within 0 … ${rows}`, `${row} … ${row + rowCount}`);
  }
  if (lora) {
    expectMatrix(op, "A", lora.a, lora.rank, cols, "f32");
    expectMatrix(op, "B", lora.b, rows, lora.rank, "f32");
  }
  const rank = lora?.rank ?? 0;
  if ("out" in target) {
    const { dtype } = matrix(op, "out", target.out);
    expectMatrix(op, "out", target.out, rowCount, cols, dtype);
    return { rank, dtype };
  }
  if (cols % NF4_BLOCK !== 0) throw new ShapeError(`${op} to nf4`, `rows of a multiple of ${NF4_BLOCK}`, [rows, cols]);
  expectCount(op, "codes", target.codes, (rowCount * cols) / 2, "u8");
  expectCount(op, "absmax", target.absmax, (rowCount * cols) / NF4_BLOCK, "f32");
  return { rank, dtype: target.dtype };
}

export function ggufEncodeSizes(x: Operand, blocks: Operand, format: GgufBlockFormat) {
  const { dtype } = matrix("ggufEncode", "x", x);
  const count = elementCount(x);
  const { elements, bytes } = WEIGHT_BLOCKS[format];
  if (count % elements !== 0) throw new ShapeError(`ggufEncode to ${format}: x`, `a multiple of ${elements} values`, `${count}`);
  expectCount("ggufEncode", "blocks", blocks, (count / elements) * bytes, "u8");
  return { count, dtype };
}

export function sampleSizes(logits: Operand, controls: SamplingOperand, ids: Operand, logprobs: Operand) {
  const op = "sample";
  const { N: B, width: V } = matrix(op, "logits", logits);
  expectMatrix(op, "logits", logits, B, V, "f32");
  expectMatrix(op, "params", controls.params, B, 5, "f32");
  expectCount(op, "seeds", controls.seeds, B, "u64");
  expectCount(op, "steps", controls.steps, B, "i32");
  const stride = controls.history.shape[controls.history.shape.length - 1] ?? 0;
  expectCount(op, "history", controls.history, B * stride, "i32");
  expectCount(op, "historyLength", controls.historyLength, B, "i32");
  expectCount(op, "ids", ids, B, "i32");
  expectCount(op, "logprobs", logprobs, B, "f32");
  return { B, V, stride };
}
