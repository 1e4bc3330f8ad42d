/**
 * Writes safetensors files, one tensor at a time: the header follows from names, types and shapes alone, so bytes are asked for only when their
 * turn comes and nothing needs to fit in memory but one piece.
 *
 * Tensors are ordered by falling element size, which keeps every one aligned without gaps; the order given decides among equals.
 */
import { RemoraError } from "../errors/remora-error.ts";
import { AtomicFile } from "./atomic-file.ts";
import { type SafetensorsDType, safetensorsAlignment, safetensorsBytes } from "./safetensors-dtype.ts";
import { isCount } from "./untrusted-json.ts";

export type TensorBytes = Uint8Array | Iterable<Uint8Array> | AsyncIterable<Uint8Array>;

/** What the header says of a tensor. */
export interface TensorShape {
  readonly name: string;
  readonly dtype: SafetensorsDType;
  readonly shape: readonly number[];
}

export interface TensorEntry extends TensorShape {
  /** The tensor's bytes, little-endian, whole or in pieces. Called once, in writing order. A piece may be reused after the next is asked for. */
  readonly read: () => TensorBytes | Promise<TensorBytes>;
}

/** Bytes of an entry. @throws RemoraError when its shape is not one */
export function entryBytes(entry: TensorShape): number {
  const elements = entry.shape.reduce((product, size) => product * size, 1);
  const bytes = entry.shape.every(isCount) ? safetensorsBytes(entry.dtype, elements) : undefined;
  if (bytes === undefined)
    throw wrongEntry(entry, "a shape of whole numbers that fills whole bytes", `${entry.dtype} [${entry.shape.join(", ")}]`);
  return bytes;
}

/**
 * @returns bytes of the file
 * @throws FileAccessError (full disk …): whatever stood at `path` is untouched · RemoraError when an entry's bytes do not match its shape
 */
export async function writeSafetensors(
  path: string,
  entries: readonly TensorEntry[],
  metadata: Readonly<Record<string, string>> = { format: "pt" },
): Promise<number> {
  const ordered = orderForAlignment(entries);
  const header = encodeSafetensorsHeader(ordered, metadata);
  const file = await AtomicFile.create(path);
  try {
    await file.write(header);
    for (const entry of ordered) await writeEntry(file, entry);
    await file.commit();
  } catch (error) {
    await file.abandon();
    throw error;
  }
  return file.byteLength;
}

/** By falling element size; the order given decides among equals. */
export function orderForAlignment<T extends TensorShape>(entries: readonly T[]): T[] {
  return [...entries].sort((a, b) => safetensorsAlignment(b.dtype) - safetensorsAlignment(a.dtype));
}

/** The file up to its data, for tensors that follow one another in the order given. */
export function encodeSafetensorsHeader(entries: readonly TensorShape[], metadata: Readonly<Record<string, string>>): Uint8Array {
  const fields: [string, unknown][] = Object.keys(metadata).length > 0 ? [["__metadata__", metadata]] : [];
  const names = new Set<string>();
  let at = 0;
  for (const entry of entries) {
    if (names.has(entry.name) || entry.name === "__metadata__") throw wrongEntry(entry, "every name once", "it again");
    names.add(entry.name);
    const end = at + entryBytes(entry);
    fields.push([entry.name, { dtype: entry.dtype, shape: entry.shape, data_offsets: [at, end] }]);
    at = end;
  }
  const json = Buffer.from(JSON.stringify(Object.fromEntries(fields)), "utf8");
  // Spaces up to a multiple of eight, so that the data after the header is aligned for every type.
  const padded = Math.ceil(json.length / 8) * 8;
  const header = Buffer.alloc(8 + padded, " ");
  header.writeBigUInt64LE(BigInt(padded), 0);
  json.copy(header, 8);
  return header;
}

async function writeEntry(file: AtomicFile, entry: TensorEntry): Promise<void> {
  const expected = entryBytes(entry);
  let found = 0;
  const bytes = await entry.read();
  for await (const piece of bytes instanceof Uint8Array ? [bytes] : bytes) {
    found += piece.length;
    if (found > expected) break;
    await file.write(piece);
  }
  const shape = `${entry.dtype} [${entry.shape.join(", ")}]`;
  if (found !== expected) throw wrongEntry(entry, `${expected} bytes for ${shape}`, found > expected ? `at least ${found}` : `${found}`);
}

const wrongEntry = (entry: TensorShape, expected: string, found: string): RemoraError =>
  new RemoraError("tensor-entry", 1, { doing: `Writing tensor "${entry.name}"`, problem: `expected ${expected}, found ${found}` });
