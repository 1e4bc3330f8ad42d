/** Bytes between JavaScript and device memory. */
import { ShapeError } from "../../../errors/shape-error.ts";
import type { Operand } from "../../backend.ts";
import { operandBytes } from "../../element-types.ts";
import { OK } from "../bindings.generated.ts";
import type { NativeCall } from "../native-call.ts";

/** One remora_copy moves at most this much, so that no JavaScript view ever exceeds what Node 20 can address. */
const COPY_WINDOW = 2 ** 30;

export function upload(call: NativeCall, target: Operand, source: Uint8Array): void {
  call.enterTransfer("upload");
  if (source.byteLength !== operandBytes(target)) {
    throw new ShapeError(`upload to "${target.label ?? target.memory.label}"`, `${operandBytes(target)} bytes`, `${source.byteLength}`);
  }
  const address = call.out(target);
  for (let start = 0; start < source.byteLength; start += COPY_WINDOW) {
    const piece = source.subarray(start, start + COPY_WINDOW);
    call.library.remora_copy(address + BigInt(start), piece, piece.byteLength);
  }
  call.leave(OK);
}

/** @param result  as many bytes as `source` has */
export function download(call: NativeCall, source: Operand, result: Uint8Array): void {
  call.enterTransfer("download");
  const address = call.in(source);
  for (let start = 0; start < result.byteLength; start += COPY_WINDOW) {
    const piece = result.subarray(start, start + COPY_WINDOW);
    call.library.remora_copy(piece, address + BigInt(start), piece.byteLength);
  }
  call.leave(OK);
}
