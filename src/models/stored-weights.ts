/**
 * Stored weights described in Hugging Face's words: what a Hugging Face folder and a GGUF file have in common.
 *
 * A tensor is described, not loaded: the loader maps `path` at `byteOffset`. What differs between the two worlds (names, row order, values
 * with one added, NF4's companions) is stated on the tensor, so no one above needs to know where it came from.
 */
import type { WeightFormat } from "../backend/backend.ts";
import type { GgufValue } from "../formats/gguf-value.ts";

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

/** Formats that files hold; E4M3 is made while loading. */
export type StoredFormat = Exclude<WeightFormat, "e4m3">;

export interface StoredTensor extends StoredBytes {
  /** Hugging Face parameter name. */
  readonly name: string;
  readonly format: StoredFormat;
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
