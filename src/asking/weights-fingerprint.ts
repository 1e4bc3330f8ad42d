/**
 * A folder's or file's fingerprint: small files whole, large ones by size, time of change and sixteen samples, because hashing 24 GB of weights
 * would take longer than many an answer.
 */
import { createHash, type Hash } from "node:crypto";
import { closeSync, openSync, readdirSync, readSync, statSync } from "node:fs";
import { join } from "node:path";
import { FileAccessError } from "../errors/file-access-error.ts";

const WHOLE_BYTES = 2 ** 20;
const SAMPLES = 16;
const SAMPLE_BYTES = 2 ** 16;

/** @throws FileAccessError when there is no such folder or file */
export function weightsFingerprint(path: string): string {
  const hash = createHash("sha256");
  const files = filesOf(path);
  for (const file of files) if (statSync(file).isFile()) addFile(hash, file, file.slice(path.length));
  return hash.digest("hex").slice(0, 32);
}

function filesOf(path: string): string[] {
  try {
    if (!statSync(path).isDirectory()) return [path];
    return readdirSync(path)
      .sort()
      .map((name) => join(path, name));
  } catch (cause) {
    throw new FileAccessError("Reading", path, cause);
  }
}

function addFile(hash: Hash, file: string, name: string): void {
  const { size, mtimeMs } = statSync(file);
  const isWhole = size <= WHOLE_BYTES;
  hash.update(JSON.stringify([name, size, isWhole ? 0 : mtimeMs]));
  const handle = openSync(file, "r");
  try {
    const buffer = Buffer.alloc(isWhole ? size : SAMPLE_BYTES);
    const places = isWhole
      ? [0]
      : Array.from({ length: SAMPLES }, (_, index) => Math.floor(((size - SAMPLE_BYTES) * index) / (SAMPLES - 1)));
    for (const place of places) hash.update(buffer.subarray(0, readSync(handle, buffer, 0, buffer.length, place)));
  } finally {
    closeSync(handle);
  }
}
