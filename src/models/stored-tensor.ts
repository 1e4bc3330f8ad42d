/**
 * A stored tensor as f32 values in plain TypeScript: for norms, biases and tests. Matrices are mapped and decoded by the backend.
 */
import { readTensorBytes } from "../formats/file-bytes.ts";
import { decodeWeights } from "../quant/decode.ts";
import { decodeNf4, decodeNf4Scales } from "../quant/nf4.ts";
import { rowBytes } from "../quant/weight-formats.ts";
import { reorderRows } from "./row-order.ts";
import type { StoredBytes, StoredTensor } from "./stored-weights.ts";

/** The tensor as Hugging Face would hold it, f32, row-major: rows in order, `storedOffset` taken off. */
export function readStoredTensor(tensor: StoredTensor): Float32Array {
  const count = tensor.shape.reduce((product, size) => product * size, 1);
  if (tensor.format === "nf4") return decodeNf4(readTensorBytes(tensor), readNf4Scales(tensor), count);
  const stored = readTensorBytes(tensor);
  const bytes = tensor.rowOrder ? reorderRows(stored, rowBytes(tensor.format, tensor.shape[1] ?? 1), tensor.rowOrder) : stored;
  const values = decodeWeights(tensor.format, bytes, count);
  if (tensor.storedOffset !== 0) for (let i = 0; i < values.length; i++) values[i]! -= tensor.storedOffset;
  return values;
}

/** One f32 scale for each 64 elements. */
function readNf4Scales(tensor: StoredTensor): Float32Array {
  const { scales, nested } = tensor.nf4!;
  if (!nested) return readFloats(scales);
  return decodeNf4Scales(readTensorBytes(scales), {
    nestedScales: readFloats(nested.scales),
    nestedCode: readFloats(nested.code),
    offset: nested.offset,
  });
}

export function readFloats(bytes: StoredBytes): Float32Array {
  return decodeWeights("f32", readTensorBytes(bytes), bytes.byteLength / 4);
}
