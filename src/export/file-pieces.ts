/** Bytes of a stored tensor, unchanged, a few megabytes at a time. A piece is valid until the one after the next is asked for. */
import { FileBytes } from "../formats/file-bytes.ts";
import type { StoredBytes } from "../models/stored-weights.ts";

const PIECE_BYTES = 4 * 2 ** 20;

export function* filePieces({ path, byteOffset, byteLength }: StoredBytes): Generator<Uint8Array> {
  using file = new FileBytes(path);
  const buffers = [0, 1].map(() => new Uint8Array(Math.min(PIECE_BYTES, byteLength)));
  for (let at = 0, turn = 0; at < byteLength; at += PIECE_BYTES, turn = 1 - turn) {
    const length = Math.min(PIECE_BYTES, byteLength - at);
    yield file.read(byteOffset + at, length, buffers[turn]!.subarray(0, length));
  }
}
