/**
 * Reads the header of a safetensors file: eight bytes of length, a JSON object, then the tensors' bytes.
 *
 * Files come from the network, so every number is checked before it is used: after `readSafetensors` returns, each view lies inside the file,
 * is aligned for its type, overlaps no other, and has the size its shape says. Tensor bytes are not touched.
 * Source: the format page of huggingface/safetensors; like its reference reader, gaps between tensors are refused.
 */
import { FileFormatError, type FileFormatErrorParts } from "../errors/file-format-error.ts";
import { FileBytes } from "./file-bytes.ts";
import {
  isSafetensorsDType,
  SAFETENSORS_DTYPES,
  type SafetensorsDType,
  safetensorsAlignment,
  safetensorsBytes,
} from "./safetensors-dtype.ts";
import type { TensorView } from "./tensor-view.ts";
import { clip, describeValue, isCount, isObject, parseUntrustedJson } from "./untrusted-json.ts";

/** The reference reader's own limit. The header of a 700B expert model is about 15 MB; without a limit eight bytes could ask for all memory. */
const MAX_HEADER_BYTES = 100_000_000;
/** PyTorch's tensors have at most 64 dimensions; real weights have at most 5. */
const MAX_DIMENSIONS = 64;

export type SafetensorsView = TensorView<SafetensorsDType>;

export interface SafetensorsFile {
  readonly path: string;
  readonly byteLength: number;
  /** The `__metadata__` of the header: strings only. */
  readonly metadata: ReadonlyMap<string, string>;
  readonly tensors: ReadonlyMap<string, SafetensorsView>;
}

type Fail = (parts: Pick<FileFormatErrorParts, "where" | "expected" | "found" | "next" | "cause">) => never;

/** @throws FileFormatError naming the file, the tensor or offset, expected against found · FileAccessError */
export function readSafetensors(path: string): SafetensorsFile {
  using file = new FileBytes(path);
  const fail: Fail = (parts) => {
    throw new FileFormatError({ format: "safetensors", path, ...parts });
  };
  if (file.byteLength < 8) fail({ where: "byte 0", expected: "at least 8 bytes (the length of the header)", found: `${file.byteLength}` });
  const headerLength = new DataView(file.read(0, 8).buffer).getBigUint64(0, true);
  if (headerLength > MAX_HEADER_BYTES) {
    fail({
      where: "byte 0",
      expected: `a header of at most ${MAX_HEADER_BYTES} bytes`,
      found: `${headerLength}`,
      next: "This is not a safetensors file, or it is damaged.",
    });
  }
  const dataOffset = 8 + Number(headerLength);
  if (dataOffset > file.byteLength) {
    fail({
      where: "byte 0",
      expected: `a header of ${headerLength} bytes`,
      found: `a file that ends ${file.byteLength - 8} bytes after its length`,
    });
  }
  const header = parseHeader(file.read(8, Number(headerLength)), fail);

  const metadata = new Map<string, string>();
  const tensors = new Map<string, SafetensorsView>();
  for (const [name, value] of Object.entries(header)) {
    if (name === "__metadata__") {
      if (!isObject(value)) return fail({ where: "__metadata__", expected: "an object of strings", found: describeValue(value) });
      for (const [key, text] of Object.entries(value)) {
        if (typeof text !== "string")
          return fail({ where: `__metadata__ "${clip(key)}"`, expected: "a string", found: describeValue(text) });
        metadata.set(key, text);
      }
    } else {
      tensors.set(name, parseTensor(name, value, path, dataOffset, file.byteLength - dataOffset, fail));
    }
  }
  checkLayout([...tensors.values()], dataOffset, file.byteLength, fail);
  return { path, byteLength: file.byteLength, metadata, tensors };
}

function parseHeader(bytes: Uint8Array, fail: Fail): Record<string, unknown> {
  let header: unknown;
  try {
    header = parseUntrustedJson(bytes);
  } catch (cause) {
    return fail({
      where: "the header at byte 8",
      expected: "JSON in UTF-8",
      found: cause instanceof Error ? cause.message : String(cause),
      cause,
    });
  }
  if (!isObject(header)) return fail({ where: "the header at byte 8", expected: "a JSON object", found: describeValue(header) });
  return header;
}

function parseTensor(name: string, value: unknown, path: string, dataOffset: number, dataLength: number, fail: Fail): SafetensorsView {
  const where = `tensor "${clip(name)}"`;
  if (!isObject(value)) return fail({ where, expected: "an object with dtype, shape and data_offsets", found: describeValue(value) });
  const { dtype, shape, data_offsets: offsets } = value;
  if (!isSafetensorsDType(dtype)) {
    return fail({
      where,
      expected: `a dtype of ${SAFETENSORS_DTYPES.join(", ")}`,
      found: describeValue(dtype),
      next: "The file was written by a newer version of the format; this version of remora does not know the type.",
    });
  }
  if (!Array.isArray(shape) || !shape.every(isCount) || shape.length > MAX_DIMENSIONS) {
    return fail({ where, expected: `a shape of at most ${MAX_DIMENSIONS} whole numbers`, found: describeValue(shape) });
  }
  if (!Array.isArray(offsets) || offsets.length !== 2 || !offsets.every(isCount)) {
    return fail({ where, expected: "data_offsets of two whole numbers", found: describeValue(offsets) });
  }
  const [begin, end] = offsets as [number, number];
  if (begin > end || end > dataLength) {
    return fail({ where, expected: `data_offsets within the ${dataLength} bytes of data`, found: `[${begin}, ${end}]` });
  }
  const elements = shape.reduce((product: number, size: number) => product * size, 1) as number;
  const bytes = Number.isSafeInteger(elements) ? safetensorsBytes(dtype, elements) : undefined;
  if (bytes === undefined) return fail({ where, expected: `a size in whole bytes below 2^53`, found: `${dtype} [${shape.join(", ")}]` });
  if (bytes !== end - begin) {
    return fail({
      where,
      expected: `${bytes} bytes for ${dtype} [${shape.join(", ")}]`,
      found: `${end - begin} (data_offsets [${begin}, ${end}])`,
    });
  }
  const byteOffset = dataOffset + begin;
  const alignment = safetensorsAlignment(dtype);
  if (byteOffset % alignment !== 0 && bytes > 0) {
    return fail({
      where,
      expected: `an offset that is a multiple of ${alignment}, so that the file can be mapped`,
      found: `byte ${byteOffset}`,
      next: "Files written before 2023 can look like this: load and save it once with a current safetensors library.",
    });
  }
  return { name, dtype, shape, path, byteOffset, byteLength: bytes };
}

/** Tensors must follow one another without overlap or gap and fill the file to its end. */
function checkLayout(views: SafetensorsView[], dataOffset: number, fileLength: number, fail: Fail): void {
  views.sort((a, b) => a.byteOffset - b.byteOffset || a.byteLength - b.byteLength);
  let at = dataOffset;
  for (const view of views) {
    if (view.byteOffset !== at) {
      const kind = view.byteOffset < at ? "it overlaps the tensor before it" : "a gap before it";
      fail({ where: `tensor "${clip(view.name)}"`, expected: `to begin at byte ${at}`, found: `byte ${view.byteOffset}: ${kind}` });
    }
    at += view.byteLength;
  }
  if (at !== fileLength) fail({ where: "the end", expected: `${at} bytes in all`, found: `${fileLength}` });
}
