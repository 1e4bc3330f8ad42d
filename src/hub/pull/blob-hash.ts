/** The two hashes that the Hub names content by: sha256 of large files, git's sha1 of small ones. */
import { createHash, type Hash } from "node:crypto";
import { createReadStream } from "node:fs";

export type HashKind = "sha256" | "git";

/** Git hashes a header with the size first. */
export function startHash(kind: HashKind, size: number): Hash {
  return kind === "sha256" ? createHash("sha256") : createHash("sha1").update(`blob ${size}\0`);
}

/** Adds the first `bytes` of a file to a hash. */
export async function hashFile(hash: Hash, path: string, bytes: number, signal?: AbortSignal): Promise<void> {
  if (bytes === 0) return;
  const stream = createReadStream(path, { end: bytes - 1, highWaterMark: 1 << 20, signal });
  for await (const chunk of stream) hash.update(chunk as Buffer);
}
