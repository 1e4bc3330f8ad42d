/**
 * Writes GGUF files, version 3, one tensor after the other: metadata and places follow from names, types and shapes alone, so bytes are asked for
 * only when their turn comes. Shapes are row-major here and reversed in the file.
 *
 * @see ggml-org/ggml `docs/gguf.md`
 */
import { RemoraError } from "../errors/remora-error.ts";
import { AtomicFile } from "./atomic-file.ts";
import { GGML_TYPES, type GgmlType } from "./ggml-types.ts";
import { WriteBehind } from "./write-behind.ts";

/** A metadata entry with the type it has in the file; readers of other programs insist on the type. */
export type GgufEntry = { readonly key: string } & (
  | { readonly type: "u32" | "i32" | "f32"; readonly value: number }
  | { readonly type: "bool"; readonly value: boolean }
  | { readonly type: "string"; readonly value: string }
  | { readonly type: "strings"; readonly value: readonly string[] }
  | { readonly type: "i32s"; readonly value: Int32Array }
  | { readonly type: "f32s"; readonly value: Float32Array }
  | { readonly type: "bools"; readonly value: readonly boolean[] }
);

export interface GgufTensorEntry {
  readonly name: string;
  readonly type: GgmlType;
  /** Row-major. */
  readonly shape: readonly number[];
  /** The tensor's bytes in pieces, in order; a piece stays untouched until the one after the next is asked for. */
  readonly read: () => AsyncIterable<Uint8Array> | Iterable<Uint8Array>;
}

const ALIGNMENT = 32;
const VERSION = 3;
const TYPE = { u32: 4, i32: 5, f32: 6, bool: 7, string: 8, array: 9 } as const;

const aligned = (bytes: number): number => Math.ceil(bytes / ALIGNMENT) * ALIGNMENT;

function ggufTensorBytes({ type, shape }: Pick<GgufTensorEntry, "type" | "shape">): number {
  const { blockElements, blockBytes } = GGML_TYPES[type];
  return (shape.reduce((product, size) => product * size, 1) / blockElements) * blockBytes;
}

/** Bytes of the whole file, before anything is written. */
export function ggufFileBytes(entries: readonly GgufEntry[], tensors: readonly GgufTensorEntry[]): number {
  return tensors.reduce((sum, tensor) => sum + aligned(ggufTensorBytes(tensor)), encodeHeader(entries, tensors).length);
}

/**
 * @returns bytes of the file
 * @throws FileAccessError (full disk …): whatever stood at `path` is untouched · RemoraError when a tensor's bytes do not match its shape
 */
export async function writeGguf(path: string, entries: readonly GgufEntry[], tensors: readonly GgufTensorEntry[]): Promise<number> {
  const file = await AtomicFile.create(path);
  const disk = new WriteBehind(file);
  try {
    const header = encodeHeader(entries, tensors);
    await file.write(header);
    let at = header.length;
    for (const tensor of tensors) {
      const expected = ggufTensorBytes(tensor);
      let found = 0;
      for await (const piece of tensor.read()) {
        await disk.put(piece, at + found);
        found += piece.length;
      }
      if (found !== expected) {
        const problem = `expected ${expected} bytes for ${tensor.type} [${tensor.shape.join(", ")}], found ${found}`;
        throw new RemoraError("tensor-entry", 1, { doing: `Writing tensor "${tensor.name}"`, problem });
      }
      const padding = aligned(expected) - expected;
      if (padding > 0) await disk.put(new Uint8Array(padding), at + expected);
      at += aligned(expected);
    }
    await disk.drain();
    await file.commit();
  } catch (error) {
    await disk.drain().catch(() => {});
    await file.abandon();
    throw error;
  }
  return file.byteLength;
}

function encodeHeader(entries: readonly GgufEntry[], tensors: readonly GgufTensorEntry[]): Uint8Array {
  const parts: Uint8Array[] = [Buffer.from("GGUF"), u32(VERSION), u64(tensors.length), u64(entries.length)];
  for (const entry of entries) parts.push(text(entry.key), ...encodeValue(entry));
  let offset = 0;
  for (const tensor of tensors) {
    const { name, type, shape } = tensor;
    parts.push(text(name), u32(shape.length), ...[...shape].reverse().map(u64), u32(GGML_TYPES[type].id), u64(offset));
    offset += aligned(ggufTensorBytes(tensor));
  }
  const bytes = Buffer.concat(parts);
  return Buffer.concat([bytes], aligned(bytes.length));
}

function encodeValue(entry: GgufEntry): Uint8Array[] {
  switch (entry.type) {
    case "u32":
    case "i32":
      return [u32(TYPE[entry.type]), u32(entry.value)];
    case "f32":
      return [u32(TYPE.f32), bytesOf(Float32Array.of(entry.value))];
    case "bool":
      return [u32(TYPE.bool), Uint8Array.of(Number(entry.value))];
    case "string":
      return [u32(TYPE.string), text(entry.value)];
    case "strings":
      return [...arrayOf(TYPE.string, entry.value.length), ...entry.value.map(text)];
    case "bools":
      return [...arrayOf(TYPE.bool, entry.value.length), Uint8Array.from(entry.value, Number)];
    case "i32s":
      return [...arrayOf(TYPE.i32, entry.value.length), bytesOf(entry.value)];
    case "f32s":
      return [...arrayOf(TYPE.f32, entry.value.length), bytesOf(entry.value)];
  }
}

const bytesOf = (array: Float32Array | Int32Array): Uint8Array => new Uint8Array(array.buffer, array.byteOffset, array.byteLength);
const arrayOf = (type: number, count: number): Uint8Array[] => [u32(TYPE.array), u32(type), u64(count)];

function u32(value: number): Uint8Array {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32LE(value >>> 0);
  return bytes;
}

function u64(value: number): Uint8Array {
  const bytes = Buffer.alloc(8);
  bytes.writeBigUInt64LE(BigInt(value));
  return bytes;
}

function text(value: string): Uint8Array {
  const bytes = Buffer.from(value, "utf8");
  return Buffer.concat([u64(bytes.length), bytes]);
}
