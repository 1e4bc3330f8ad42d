/**
 * Where a model's weights come from: one interface over Hugging Face folders and GGUF files, in Hugging Face's words.
 *
 * Opening reads headers only. A tensor is described, not loaded: the loader maps `path` at `byteOffset`. What differs between the two worlds
 * (names, row order, values with one added, NF4's companions) is stated on the tensor, so no one above needs to know where it came from.
 */
import { statSync } from "node:fs";
import { basename, extname } from "node:path";
import type { WeightFormat } from "../backend/backend.ts";
import { FileAccessError } from "../errors/file-access-error.ts";
import { FileFormatError } from "../errors/file-format-error.ts";
import type { GgufValue } from "../formats/gguf-value.ts";
import { openGgufModel } from "./gguf-model.ts";
import { openHuggingFaceModel } from "./huggingface-model.ts";

export interface WeightSource {
  readonly format: "huggingface" | "gguf";
  /** The folder or file, for messages. */
  readonly path: string;
  /** Fields of config.json as Transformers names them; for GGUF derived from the file's metadata. */
  readonly config: Readonly<Record<string, unknown>>;
  readonly tokenizerSource: TokenizerSource;
  /** Every parameter that is there, by its Hugging Face name: `model.layers.0.self_attn.q_proj.weight`. */
  names(): Iterable<string>;
  /** Undefined when there is no such parameter. @throws FileFormatError when it is stored in a way that remora does not read */
  tensor(name: string): StoredTensor | undefined;
}

export type TokenizerSource =
  | { readonly kind: "folder"; readonly path: string }
  | { readonly kind: "gguf"; readonly path: string; readonly metadata: ReadonlyMap<string, GgufValue> };

/** Bytes in a file. */
export interface StoredBytes {
  readonly path: string;
  readonly byteOffset: number;
  readonly byteLength: number;
}

export interface StoredTensor extends StoredBytes {
  /** Hugging Face parameter name. */
  readonly name: string;
  readonly format: WeightFormat;
  /** [rows, cols] of a matrix, [n] of a vector. */
  readonly shape: readonly number[];
  /** Present when rows stand in another order than Hugging Face's; see `row-order.ts`. */
  readonly rowOrder?: RowOrder;
  /**
   * What was added to every value when the file was written: 1 for Gemma's norms in GGUF files (they hold w + 1), else 0. A model that computes
   * with w + k adds k − storedOffset.
   */
  readonly storedOffset: number;
  /** The scales of `format: "nf4"`. */
  readonly nf4?: StoredNf4Scales;
}

/**
 * GGUF files of llama-type models keep each q and k head's rows as pairs (0, D/2), (1, D/2 + 1) …, because llama.cpp rotates neighbours where
 * Hugging Face rotates halves.
 */
export interface RowOrder {
  readonly kind: "interleaved-heads";
  readonly heads: number;
  readonly headDim: number;
}

/** f32 per 64 elements, or u8 codes with a second level (double quantization). */
export interface StoredNf4Scales {
  readonly scales: StoredBytes;
  readonly nested?: { readonly scales: StoredBytes; readonly code: StoredBytes; readonly offset: number };
}

/**
 * @param path a model folder or a `.gguf` file
 * @throws FileAccessError · FileFormatError · UnknownModelError
 */
export function openWeightSource(path: string): WeightSource {
  let isFolder: boolean;
  try {
    isFolder = statSync(path).isDirectory();
  } catch (cause) {
    throw new FileAccessError("Opening the model", path, cause);
  }
  if (isFolder) return openHuggingFaceModel(path);
  if (extname(path).toLowerCase() === ".gguf") return openGgufModel(path);
  throw new FileFormatError({
    format: "model",
    path,
    expected: "a folder or a .gguf file",
    found: basename(path),
    next: "Name the folder that the file is in.",
  });
}
