/** Bytes of a stored tensor, unchanged, a few megabytes at a time. */
import { FileBytes } from "../formats/file-bytes.ts";
import type { StoredBytes } from "../models/stored-weights.ts";

const PIECE_BYTES = 8 * 2 ** 20;

export function* filePieces({ path, byteOffset, byteLength }: StoredBytes): Generator<Uint8Array> {
  using file = new FileBytes(path);
  for (let at = 0; at < byteLength; at += PIECE_BYTES) yield file.read(byteOffset + at, Math.min(PIECE_BYTES, byteLength - at));
}
