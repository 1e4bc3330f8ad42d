/**
 * Bytes of any self-contained weight format → f32, in plain TypeScript. NF4 and E4M3 need their scales as well and have
 * files of their own.
 * For tests, norms, biases and rope factors; whole matrices go through `Backend.weightDecode`.
 */
import type { WeightFormat } from "../backend/backend.ts";
import { ShapeError } from "../errors/shape-error.ts";
import { BLOCK_DECODERS } from "./gguf-blocks.ts";
import { f16Values } from "./half-floats.ts";
import { WEIGHT_FORMATS } from "./weight-formats.ts";

export type SelfContainedFormat = Exclude<WeightFormat, "nf4" | "e4m3">;

/**
 * @param bytes exactly the bytes of `count` elements; need not be aligned
 * @returns f32 [count]
 * @throws ShapeError when `count` is not a whole number of blocks or the byte length does not match
 */
export function decodeWeights(format: SelfContainedFormat, bytes: Uint8Array, count: number): Float32Array {
  const { blockElements, blockBytes } = WEIGHT_FORMATS[format];
  if (count % blockElements !== 0) throw new ShapeError(`Decoding ${format}`, `a multiple of ${blockElements} elements`, `${count}`);
  const blocks = count / blockElements;
  if (bytes.length !== blocks * blockBytes) {
    throw new ShapeError(`Decoding ${count} elements of ${format}`, `${blocks * blockBytes} bytes`, `${bytes.length} bytes`);
  }
  const out = new Float32Array(count);
  if (format === "f32") {
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    for (let i = 0; i < count; i++) out[i] = view.getFloat32(4 * i, true);
  } else if (format === "bf16") {
    const words = new Uint32Array(out.buffer);
    for (let i = 0; i < count; i++) words[i] = (bytes[2 * i]! << 16) | (bytes[2 * i + 1]! << 24);
  } else if (format === "f16") {
    const table = f16Values();
    for (let i = 0; i < count; i++) out[i] = table[bytes[2 * i]! | (bytes[2 * i + 1]! << 8)]!;
  } else {
    const decode = BLOCK_DECODERS[format];
    for (let b = 0; b < blocks; b++) decode(bytes, b * blockBytes, out, b * blockElements);
  }
  return out;
}
