/** Sizes of rope, attention and the paged cache, checked: qkv [N, (H+2K)·D], out [N, H·D]. */
import { ShapeError } from "../../errors/shape-error.ts";
import type { AttentionRule, HeadShape, Operand, PagedCacheOperand, RopeOperand } from "../backend.ts";
import { elementCount } from "../element-types.ts";
import { expectCount, expectDType, expectMatrix, matrix } from "../operand-checks.ts";

function headSizes(op: string, heads: HeadShape, qkv: Operand, name = "qkv") {
  const { heads: H, keyValueHeads: K, headDim: D } = heads;
  if (H < 1 || K < 1 || D < 1 || H % K !== 0) {
    throw new ShapeError(`${op}: heads`, "query heads that are a multiple of the key/value heads", `${H} query, ${K} key/value, size ${D}`);
  }
  const { N, dtype } = matrix(op, name, qkv);
  expectMatrix(op, name, qkv, N, (H + 2 * K) * D, dtype);
  return { N, H, K, D, dtype };
}

function checkRope(op: string, rope: RopeOperand, D: number): void {
  if (rope.rotary < 0 || rope.rotary > D || rope.rotary % 2 !== 0) {
    throw new ShapeError(`${op}: rotary`, `an even number up to the head size ${D}`, String(rope.rotary));
  }
  expectDType(op, "table", rope.table, "f32");
  if (rope.rotary > 0 && elementCount(rope.table) % rope.rotary !== 0) {
    throw new ShapeError(`${op}: table`, `[positions, ${rope.rotary / 2}, 2]`, rope.table.shape);
  }
  if (!rope.queryNorm !== !rope.keyNorm) throw new ShapeError(`${op}: norms`, "both query and key norm, or neither", "one");
  if (rope.queryNorm) expectCount(op, "queryNorm", rope.queryNorm, D, "f32");
  if (rope.keyNorm) expectCount(op, "keyNorm", rope.keyNorm, D, "f32");
}

export function ropeForwardSizes(rope: RopeOperand, heads: HeadShape, qkv: Operand, positions: Operand, out: Operand) {
  const op = "ropeForward";
  const sizes = headSizes(op, heads, qkv);
  checkRope(op, rope, sizes.D);
  expectCount(op, "positions", positions, sizes.N, "i32");
  expectMatrix(op, "out", out, sizes.N, (sizes.H + 2 * sizes.K) * sizes.D, sizes.dtype);
  return sizes;
}

export function ropeBackwardSizes(
  rope: RopeOperand,
  heads: HeadShape,
  qkv: Operand | null,
  positions: Operand,
  dOut: Operand,
  dQkv: Operand,
  queryNormGradient: Operand | null,
  keyNormGradient: Operand | null,
) {
  const op = "ropeBackward";
  const sizes = headSizes(op, heads, dOut, "dOut");
  const width = (sizes.H + 2 * sizes.K) * sizes.D;
  checkRope(op, rope, sizes.D);
  expectCount(op, "positions", positions, sizes.N, "i32");
  if (qkv) expectMatrix(op, "qkv", qkv, sizes.N, width, sizes.dtype);
  else if (rope.queryNorm) throw new ShapeError(`${op}: qkv`, [sizes.N, width], "nothing", "With q and k norms, backward needs qkv.");
  expectMatrix(op, "dQkv", dQkv, sizes.N, width, sizes.dtype);
  if (queryNormGradient) expectCount(op, "queryNormGradient", queryNormGradient, sizes.D, "f32");
  if (keyNormGradient) expectCount(op, "keyNormGradient", keyNormGradient, sizes.D, "f32");
  return sizes;
}

export function attentionForwardSizes(
  rule: AttentionRule,
  qkv: Operand,
  segmentStart: Operand,
  segmentEnd: Operand,
  out: Operand,
  lse: Operand | null,
) {
  const op = "attentionForward";
  const sizes = headSizes(op, rule, qkv);
  checkSegments(op, sizes, segmentStart, segmentEnd, out, lse);
  return sizes;
}

export function attentionBackwardSizes(
  rule: AttentionRule,
  qkv: Operand,
  segmentStart: Operand,
  segmentEnd: Operand,
  out: Operand,
  lse: Operand,
  dOut: Operand,
  dQkv: Operand,
) {
  const op = "attentionBackward";
  const sizes = headSizes(op, rule, qkv);
  checkSegments(op, sizes, segmentStart, segmentEnd, out, lse);
  expectMatrix(op, "dOut", dOut, sizes.N, sizes.H * sizes.D, sizes.dtype);
  expectMatrix(op, "dQkv", dQkv, sizes.N, (sizes.H + 2 * sizes.K) * sizes.D, sizes.dtype);
  return sizes;
}

type Sizes = ReturnType<typeof headSizes>;

function checkSegments(op: string, sizes: Sizes, start: Operand, end: Operand, out: Operand, lse: Operand | null): void {
  expectCount(op, "segmentStart", start, sizes.N, "i32");
  expectCount(op, "segmentEnd", end, sizes.N, "i32");
  expectMatrix(op, "out", out, sizes.N, sizes.H * sizes.D, sizes.dtype);
  if (lse) expectCount(op, "lse", lse, sizes.N * sizes.H, "f32");
}

export function cacheSizes(op: string, heads: HeadShape, qkv: Operand, cache: PagedCacheOperand) {
  const sizes = headSizes(op, heads, qkv);
  const { K, D, N, dtype } = sizes;
  const slot = K * D;
  const page = cache.pageSize * slot;
  for (const [name, pages] of [["keyPages", cache.keyPages] as const, ["valuePages", cache.valuePages] as const]) {
    expectDType(op, name, pages, dtype);
    if (cache.pageSize < 1 || elementCount(pages) % page !== 0) {
      throw new ShapeError(`${op}: ${name}`, `[pages, ${cache.pageSize}, ${K}, ${D}]`, pages.shape);
    }
  }
  const blocksPerSequence = cache.blockTable.shape[cache.blockTable.shape.length - 1] ?? 0;
  expectDType(op, "blockTable", cache.blockTable, "i32");
  expectCount(op, "sequences", cache.sequences, N, "i32");
  expectCount(op, "positions", cache.positions, N, "i32");
  return { ...sizes, pageSize: cache.pageSize, blocksPerSequence };
}

export function attentionPagedSizes(rule: AttentionRule, qkv: Operand, cache: PagedCacheOperand, out: Operand) {
  const sizes = cacheSizes("attentionPaged", rule, qkv, cache);
  expectMatrix("attentionPaged", "out", out, sizes.N, sizes.H * sizes.D, sizes.dtype);
  return sizes;
}
