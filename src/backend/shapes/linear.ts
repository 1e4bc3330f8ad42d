/**
 * Sizes of a linear group, checked once per LinearOperand and then only the activations per call.
 * x [N, In], y [N, ΣOut], xa and db [N, ΣR].
 */
import { DTypeError } from "../../errors/dtype-error.ts";
import { ShapeError } from "../../errors/shape-error.ts";
import type { ActivationDType, LinearOperand, Operand } from "../backend.ts";
import { elementCount } from "../element-types.ts";
import { expectCount, expectDType, expectMatrix, matrix } from "../operand-checks.ts";
import { checkWeight } from "./weights.ts";

export interface LinearSizes {
  readonly In: number;
  /** ΣOut of all parts. */
  readonly outs: number;
  /** ΣR of all parts; 0 without adapters. */
  readonly ranks: number;
  /** The weights are E4M3, and so is what they multiply. */
  readonly fp8: boolean;
  /** Parts as an error names them: `model.layers.0.self_attn.q_proj + 2 more`. */
  readonly path: string;
}

export function linearGroupSizes(linear: LinearOperand): LinearSizes {
  const first = linear.parts[0];
  if (!first) throw new ShapeError("linear", "at least one part", "none");
  const In = first.weight.cols;
  let outs = 0;
  let ranks = 0;
  for (const { weight, lora } of linear.parts) {
    checkWeight("linear", weight);
    if (weight.cols !== In) throw new ShapeError(`linear ${weight.path}`, [weight.rows, In], [weight.rows, weight.cols]);
    if ((weight.format === "e4m3") !== (first.weight.format === "e4m3")) {
      throw new ShapeError(`linear ${weight.path}`, "parts that are all e4m3 or none", `${first.weight.format} and ${weight.format}`);
    }
    outs += weight.rows;
    if (!lora || lora.rank === 0) continue;
    ranks += lora.rank;
    const where = `linear ${weight.path}`;
    expectMatrix(where, "lora A", lora.a, lora.rank, In, "f32");
    expectMatrix(where, "lora B", lora.b, weight.rows, lora.rank, "f32");
    if (lora.aGradient) expectMatrix(where, "lora A gradient", lora.aGradient, lora.rank, In, "f32");
    if (lora.bGradient) expectMatrix(where, "lora B gradient", lora.bGradient, weight.rows, lora.rank, "f32");
  }
  const path = linear.parts.length === 1 ? first.weight.path : `${first.weight.path} + ${linear.parts.length - 1} more`;
  if (linear.bias) expectCount(`linear ${path}`, "bias", linear.bias, outs, "f32");
  if (linear.dropout > 0 && !linear.seed) throw new ShapeError(`linear ${path}: seed`, "u64 [1], because dropout is on", "nothing");
  if (linear.seed) expectCount(`linear ${path}`, "seed", linear.seed, 1, "u64");
  return { In, outs, ranks, fp8: first.weight.format === "e4m3", path };
}

/** E4M3 codes times their scales are exact in f32 and bf16, not in f16. */
function expectExactInFp8(op: string, sizes: LinearSizes, dtype: ActivationDType): void {
  if (sizes.fp8 && dtype === "f16") throw new DTypeError(op, "bf16 or f32 activations, because the weights are e4m3", dtype);
}

export function linearForwardSizes(sizes: LinearSizes, x: Operand, y: Operand, xa: Operand | null) {
  const op = `linearForward ${sizes.path}`;
  const { N, dtype } = matrix(op, "x", x);
  expectExactInFp8(op, sizes, dtype);
  expectMatrix(op, "x", x, N, sizes.In, dtype);
  expectMatrix(op, "y", y, N, sizes.outs, dtype);
  expectRanks(op, "xa", sizes, xa, N, dtype);
  return { N, dtype };
}

export function linearBackwardInputSizes(sizes: LinearSizes, dY: Operand, dX: Operand | null, db: Operand | null, xa: Operand | null) {
  const op = `linearBackwardInput ${sizes.path}`;
  const { N, dtype } = matrix(op, "dY", dY);
  expectExactInFp8(op, sizes, dtype);
  expectMatrix(op, "dY", dY, N, sizes.outs, dtype);
  if (dX) expectMatrix(op, "dX", dX, N, sizes.In, dtype);
  expectRanks(op, "db", sizes, db, N, dtype);
  if (xa) expectRanks(op, "xa", sizes, xa, N, dtype);
  return { N, dtype };
}

export function loraBackwardASizes(sizes: LinearSizes, x: Operand, db: Operand) {
  const op = `loraBackwardA ${sizes.path}`;
  const { N, dtype } = matrix(op, "x", x);
  expectMatrix(op, "x", x, N, sizes.In, dtype);
  expectRanks(op, "db", sizes, db, N, dtype);
  return { N, dtype };
}

export function linearBackwardWeightSizes(x: Operand, dY: Operand, dW: Operand, dBias: Operand | null, column: number) {
  const op = "linearBackwardWeight";
  const { N, width: In, dtype } = matrix(op, "x", x);
  const { width: stride } = matrix(op, "dY", dY);
  expectMatrix(op, "dY", dY, N, stride, dtype);
  expectDType(op, "dW", dW, "f32");
  const Out = In === 0 ? 0 : elementCount(dW) / In;
  expectMatrix(op, "dW", dW, Out, In, "f32");
  if (dBias) expectCount(op, "dBias", dBias, Out, "f32");
  if (column < 0 || column + Out > stride) {
    throw new ShapeError(`${op}: dY`, `at least ${column + Out} columns (${Out} from column ${column})`, dY.shape);
  }
  return { N, In, Out, stride, dtype };
}

/** xa and db: [N, ΣR] when the group has an adapter. In inference a group with adapters still needs xa: backward and forward share the pass. */
function expectRanks(
  op: string,
  name: string,
  sizes: LinearSizes,
  operand: Operand | null,
  N: number,
  dtype: "f32" | "bf16" | "f16",
): void {
  if (sizes.ranks === 0) return;
  if (!operand) throw new ShapeError(`${op}: ${name}`, [N, sizes.ranks], "nothing");
  expectMatrix(op, name, operand, N, sizes.ranks, dtype);
}
