/**
 * An encoder's files opened, not loaded: its shape, its parameters by Hugging Face name, and what its makers say about using it: how token rows
 * become one vector, which words stand before questions and passages, and how long a text may be.
 */
import type { EncoderShape } from "./encoder-shape.ts";
import type { StoredTensor, TokenizerSource } from "./stored-weights.ts";

export type Pooling = "mean" | "cls";

export interface EncoderSource {
  readonly path: string;
  readonly shape: EncoderShape;
  readonly pooling: Pooling;
  /** Words that the encoder was trained to see before each kind of text. */
  readonly prefixes: { readonly query: string; readonly passage: string };
  /** Longest text in tokens that its makers recommend. */
  readonly maxTokens: number;
  readonly tokenizerSource: TokenizerSource;
  tensor(name: string): StoredTensor | undefined;
}
