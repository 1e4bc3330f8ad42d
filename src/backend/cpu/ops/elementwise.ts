/** Copies, conversion, scaled add, sums, random numbers, row gathers. */
import type { Operand } from "../../backend.ts";
import { operandBytes } from "../../element-types.ts";
import { addSizes, convertSizes, copySizes, gatherRowsSizes, randomSizes, sumSizes } from "../../shapes/elementwise.ts";
import { OK } from "../bindings.generated.ts";
import type { NativeCall } from "../native-call.ts";
import { DTYPE_CODES } from "../native-codes.ts";

export function copy(call: NativeCall, source: Operand, target: Operand): void {
  copySizes(source, target);
  call.enter("copy");
  call.library.remora_copy(call.out(target), call.in(source), operandBytes(source));
  call.leave(OK);
}

export function zero(call: NativeCall, target: Operand): void {
  call.enter("zero");
  call.library.remora_fill_zero(call.out(target), operandBytes(target));
  call.leave(OK);
}

export function convert(call: NativeCall, source: Operand, target: Operand): void {
  const { count, from, to } = convertSizes(source, target);
  const ctx = call.enter("convert");
  call.leave(call.library.remora_convert(ctx, call.in(source), call.out(target), count, DTYPE_CODES[from], DTYPE_CODES[to]));
}

export function add(call: NativeCall, x: Operand, y: Operand, scale: number): void {
  const { count, dtype } = addSizes(x, y);
  const ctx = call.enter("add");
  call.leave(call.library.remora_add(ctx, call.in(x), call.out(y), count, DTYPE_CODES[dtype], scale));
}

export function sum(call: NativeCall, x: Operand, out: Operand): void {
  const { count } = sumSizes(x, out);
  const ctx = call.enter("sum");
  call.leave(call.library.remora_sum(ctx, call.in(x), call.out(out), count));
}

export function random(call: NativeCall, x: Operand, seed: bigint, bound: number, distribution: "uniform" | "normal"): void {
  const { count } = randomSizes(x);
  const ctx = call.enter("random");
  const normal = distribution === "normal" ? 1 : 0;
  call.leave(call.library.remora_random(ctx, call.out(x), count, BigInt.asUintN(64, seed), bound, normal));
}

export function gatherRows(call: NativeCall, x: Operand, rows: Operand, out: Operand): void {
  const { count, C, dtype } = gatherRowsSizes(x, rows, out);
  const ctx = call.enter("gatherRows");
  call.leave(call.library.remora_gather_rows(ctx, call.in(x), call.in(rows), call.out(out), count, C, DTYPE_CODES[dtype]));
}
