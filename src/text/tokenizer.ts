/**
 * What remora needs of a tokenizer: text to ids and back.
 *
 * Two rules hold for every implementation. `encode` never adds a begin or end token by itself: the layer that renders templates decides
 * where those stand. And text is data: unless `special` is asked for, `<|im_end|>` written by a user becomes ordinary tokens, so nobody can
 * forge the end of a turn. `library-tokenizer.ts` is the real one; a byte tokenizer for tests is a dozen lines.
 */

export interface EncodeOptions {
  /** Read special tokens that stand in the text. For templates we trust, never for a user's words. @default false */
  special?: boolean;
  /** A character that `protectText` put into untrusted words inside a rendered template; removed after special tokens were read. */
  guard?: string;
  /** The text continues another one, so no begin-of-word space is added (SentencePiece). @default false */
  continues?: boolean;
}

export interface DecodeOptions {
  /** Leave special tokens out. @default true */
  skipSpecial?: boolean;
}

export interface Tokenizer {
  /** Highest id + 1. The model's embedding must have at least as many rows. */
  readonly vocabularySize: number;
  /** Begin-of-text. */
  readonly bos?: number;
  /** Ids that end an answer; the first is the one training appends. */
  readonly eos: readonly number[];
  readonly pad?: number;
  /** The tokenizer's own convention: a text starts with `bos`. */
  readonly addsBos: boolean;
  /** Jinja source of the model's chat format. */
  readonly chatTemplate?: string;
  /** One space at the start of a decoded text is the tokenizer's, not the author's (SentencePiece). */
  readonly stripsLeadingSpace: boolean;
  /** Contents of the special tokens, for protecting untrusted text. */
  readonly specialTokens: readonly string[];

  encode(text: string, options?: EncodeOptions): number[];
  decode(ids: ArrayLike<number>, options?: DecodeOptions): string;
  idOf(token: string): number | undefined;
  tokenOf(id: number): string | undefined;
  isSpecial(id: number): boolean;
  /** UTF-8 bytes a token stands for; a character may be spread over several tokens. */
  bytesOf(id: number): Uint8Array;
}
