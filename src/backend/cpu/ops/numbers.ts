/** Number formats: encoding to NF4, FP8 and GGUF blocks, decoding rows. */
import type { GgufBlockFormat, Operand, WeightOperand } from "../../backend.ts";
import { fp8EncodeSizes, ggufEncodeSizes, nf4EncodeSizes, nf4NestSizes, weightDecodeSizes } from "../../shapes/optimizer.ts";
import type { NativeCall } from "../native-call.ts";
import { DTYPE_CODES, FORMAT_CODES } from "../native-codes.ts";

export function nf4Encode(call: NativeCall, x: Operand, codes: Operand, absmax: Operand): void {
  const { count, dtype } = nf4EncodeSizes(x, codes, absmax);
  const ctx = call.enter("nf4Encode");
  call.leave(call.library.remora_nf4_encode(ctx, call.in(x), call.out(codes), call.out(absmax), count, DTYPE_CODES[dtype]));
}

export function nf4Nest(
  call: NativeCall,
  absmax: Operand,
  nestedCode: Operand,
  scaleCodes: Operand,
  nested: Operand,
  offset: Operand,
): void {
  const { blocks } = nf4NestSizes(absmax, nestedCode, scaleCodes, nested, offset);
  const ctx = call.enter("nf4Nest");
  const outputs = [call.out(scaleCodes), call.out(nested), call.out(offset)] as const;
  call.leave(call.library.remora_nf4_nest(ctx, call.in(absmax), call.in(nestedCode), ...outputs, blocks));
}

export function fp8Encode(call: NativeCall, x: Operand, codes: Operand, scales: Operand): void {
  const { rows, cols, dtype } = fp8EncodeSizes(x, codes, scales);
  const ctx = call.enter("fp8Encode");
  call.leave(call.library.remora_fp8_encode(ctx, call.in(x), call.out(codes), call.out(scales), rows, cols, DTYPE_CODES[dtype]));
}

export function weightDecode(call: NativeCall, weight: WeightOperand, out: Operand, row: number, rowCount: number): void {
  const ctx = call.enter("weightDecode");
  const bytes = call.structs.weight(call.op, weight);
  const { dtype } = weightDecodeSizes(weight, out, row, rowCount);
  call.leave(call.library.remora_weight_decode(ctx, bytes, call.out(out), row, rowCount, DTYPE_CODES[dtype]));
}

export function ggufEncode(call: NativeCall, x: Operand, blocks: Operand, format: GgufBlockFormat): void {
  const { count, dtype } = ggufEncodeSizes(x, blocks, format);
  const ctx = call.enter("ggufEncode");
  call.leave(call.library.remora_gguf_encode(ctx, call.in(x), call.out(blocks), count, FORMAT_CODES[format], DTYPE_CODES[dtype]));
}
