/** Tensors to and from files, a piece at a time: no copy of a whole tensor exists on the host. */
import type { Backend } from "../backend/backend.ts";
import { FileBytes } from "../formats/file-bytes.ts";
import type { TensorView } from "../formats/tensor-view.ts";
import { bytesPerElement, elementCount } from "../tensor/shape.ts";
import type { Tensor } from "../tensor/tensor.ts";

const PIECE_BYTES = 64 * 2 ** 20;

/** A tensor's bytes in order. */
export async function* downloadPieces(backend: Backend, tensor: Tensor): AsyncGenerator<Uint8Array> {
  for (const piece of pieces(tensor)) yield await backend.download(piece);
}

/** Fills a tensor from a file; sizes must have been compared before. */
export function uploadFrom(backend: Backend, view: TensorView, tensor: Tensor): void {
  using file = new FileBytes(view.path);
  let offset = view.byteOffset;
  for (const piece of pieces(tensor)) {
    backend.upload(piece, file.read(offset, piece.bytes));
    offset += piece.bytes;
  }
}

function* pieces(tensor: Tensor): Generator<Tensor> {
  const total = elementCount(tensor.shape);
  const step = PIECE_BYTES / bytesPerElement(tensor.dtype);
  for (let start = 0; start < total; start += step) yield tensor.view([Math.min(step, total - start)], start);
}
