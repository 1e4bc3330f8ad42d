/** A tokenizer with what an encoder wants around every text. */
import type { Tokenizer } from "./tokenizer.ts";

export interface EncoderTokenizer {
  readonly tokenizer: Tokenizer;
  /** Ids in front of every text and behind it. */
  readonly before: readonly number[];
  readonly after: readonly number[];
}
