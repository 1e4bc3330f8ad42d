/**
 * Reads the header of a GGUF file (versions 2 and 3): metadata, then names, shapes, types and offsets of the tensors.
 *
 * Files come from the network, so every number is checked before it is used: after `readGguf` returns, each view lies inside the file, is
 * aligned, overlaps no other, and has the size its shape and type say. Tensor bytes are not touched.
 * Source: the GGUF specification in ggml-org/ggml, docs/gguf.md.
 */
import { FileBytes } from "./file-bytes.ts";
import { GGML_TYPES, type GgmlType, ggmlTypeById } from "./ggml-types.ts";
import { GgufCursor } from "./gguf-cursor.ts";
import { type GgufValue, MAX_ARRAY_ELEMENTS, readGgufValue } from "./gguf-value.ts";
import type { TensorView } from "./tensor-view.ts";
import { clip } from "./untrusted-json.ts";

const MAGIC = 0x46554747; // "GGUF"
/** Real files have 20 to 60 entries. */
const MAX_METADATA_ENTRIES = 2 ** 16;
/** A 700B expert model with one tensor an expert has about 50,000. */
const MAX_TENSORS = 2 ** 17;
/** GGML_MAX_DIMS. */
const MAX_GGUF_DIMENSIONS = 4;
/** The specification's limit on keys is 65,535; on tensor names 64, which some writers exceed. */
const MAX_KEY_BYTES = 65_535;
const DEFAULT_ALIGNMENT = 32;
/** Writers use 32; llama.cpp accepts any power of two. A page is the most that mapping could ever want. */
const MAX_ALIGNMENT = 65_536;

export type GgufView = TensorView<GgmlType>;

export interface GgufFile {
  readonly path: string;
  readonly byteLength: number;
  readonly version: number;
  readonly alignment: number;
  readonly metadata: ReadonlyMap<string, GgufValue>;
  /** Shapes are row-major as everywhere in remora, so reversed against the file. */
  readonly tensors: ReadonlyMap<string, GgufView>;
}

interface TensorInfo {
  name: string;
  shape: number[];
  type: GgmlType;
  offset: number;
  byteLength: number;
}

/** @throws FileFormatError naming the file, the field and its byte, expected against found · FileAccessError */
export function readGguf(path: string): GgufFile {
  using file = new FileBytes(path);
  const cursor = new GgufCursor(file);
  const version = readVersion(cursor);
  cursor.where = "the counts";
  const tensorCount = cursor.count("tensors", MAX_TENSORS);
  const entryCount = cursor.count("metadata entries", MAX_METADATA_ENTRIES);

  const metadata = new Map<string, GgufValue>();
  const budget = { left: MAX_ARRAY_ELEMENTS };
  for (let i = 0; i < entryCount; i++) {
    cursor.where = `metadata entry ${i + 1} of ${entryCount}`;
    const key = cursor.string(MAX_KEY_BYTES);
    cursor.where = `metadata "${clip(key)}"`;
    if (metadata.has(key)) cursor.fail("every key once", "it again");
    metadata.set(key, readGgufValue(cursor, budget));
  }
  const alignment = readAlignment(cursor, metadata);

  const infos: TensorInfo[] = [];
  const names = new Set<string>();
  for (let i = 0; i < tensorCount; i++) {
    cursor.where = `tensor ${i + 1} of ${tensorCount}`;
    const info = readTensorInfo(cursor, alignment);
    if (names.has(info.name)) cursor.fail("every tensor once", "it again");
    names.add(info.name);
    infos.push(info);
  }
  const dataOffset = Math.ceil(cursor.offset / alignment) * alignment;
  checkLayout(cursor, infos, file.byteLength - dataOffset);
  const tensors = new Map<string, GgufView>(
    infos.map(({ name, type, shape, offset, byteLength }) => [
      name,
      { name, dtype: type, shape, path, byteOffset: dataOffset + offset, byteLength },
    ]),
  );
  return { path, byteLength: file.byteLength, version, alignment, metadata, tensors };
}

function readVersion(cursor: GgufCursor): number {
  cursor.where = "the magic number";
  if (cursor.remaining < 24) cursor.fail("a header of at least 24 bytes", `a file of ${cursor.remaining}`);
  const magic = cursor.u32();
  if (magic !== MAGIC)
    cursor.fail('the letters "GGUF"', `0x${magic.toString(16).padStart(8, "0")}`, "This is not a GGUF file, or it is damaged.");
  cursor.where = "the version";
  const version = cursor.u32();
  if (version === 2 || version === 3) return version;
  if (version === 1)
    cursor.fail("version 2 or 3", "version 1, in use until August 2023", "Convert the model again with a current converter.");
  if (version !== 0 && (version & 0xffff) === 0)
    cursor.fail("a little-endian file", "a big-endian one", "Use the little-endian file of the model.");
  return cursor.fail("version 2 or 3", `version ${version}`, "The file is newer than this version of remora, or damaged.");
}

function readAlignment(cursor: GgufCursor, metadata: ReadonlyMap<string, GgufValue>): number {
  const value = metadata.get("general.alignment") ?? DEFAULT_ALIGNMENT;
  cursor.where = 'metadata "general.alignment"';
  const fits = typeof value === "number" && Number.isInteger(value) && value >= 8 && value <= MAX_ALIGNMENT && (value & (value - 1)) === 0;
  return fits ? value : cursor.fail(`a power of two from 8 to ${MAX_ALIGNMENT}`, clip(String(value)));
}

function readTensorInfo(cursor: GgufCursor, alignment: number): TensorInfo {
  const name = cursor.string(MAX_KEY_BYTES);
  cursor.where = `tensor "${clip(name)}"`;
  const dimensions = cursor.u32();
  if (dimensions < 1 || dimensions > MAX_GGUF_DIMENSIONS) cursor.fail(`1 to ${MAX_GGUF_DIMENSIONS} dimensions`, `${dimensions}`);
  const shape = Array.from({ length: dimensions }, () => cursor.count("elements in a dimension", Number.MAX_SAFE_INTEGER)).reverse();
  const id = cursor.u32();
  const type = ggmlTypeById(id);
  if (!type)
    return cursor.fail(
      "a tensor type that GGUF defines",
      `type number ${id}`,
      "The file is newer than this version of remora, or damaged.",
    );
  const { blockElements, blockBytes } = GGML_TYPES[type];
  const elements = shape.reduce((product, size) => product * size, 1);
  const row = shape.at(-1)!;
  const byteLength = (elements / blockElements) * blockBytes;
  if (!Number.isSafeInteger(elements) || !(byteLength <= Number.MAX_SAFE_INTEGER))
    cursor.fail("fewer than 2^53 bytes", `${type} [${shape.join(", ")}]`);
  if (row % blockElements !== 0) cursor.fail(`rows that are a multiple of ${blockElements} for ${type}`, `[${shape.join(", ")}]`);
  const offset = cursor.count("bytes before it", Number.MAX_SAFE_INTEGER);
  if (offset % alignment !== 0) cursor.fail(`an offset that is a multiple of ${alignment}`, `${offset}`);
  return { name, shape, type, offset, byteLength };
}

/** Tensors must lie in the data section without overlap; padding between them is normal. */
function checkLayout(cursor: GgufCursor, infos: readonly TensorInfo[], dataLength: number): void {
  let at = 0;
  for (const info of [...infos].sort((a, b) => a.offset - b.offset || a.byteLength - b.byteLength)) {
    cursor.where = `the place of tensor "${clip(info.name)}", header ended`;
    if (info.offset < at) cursor.fail(`it to begin at byte ${at} of the data or later`, `byte ${info.offset}: it overlaps another tensor`);
    at = info.offset + info.byteLength;
    if (at > dataLength) cursor.fail(`${at} bytes of data`, `${Math.max(0, dataLength)}: the file is cut short`);
  }
}
