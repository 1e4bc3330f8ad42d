/**
 * What turns texts into vectors: the encoder on our own backend (`openEmbedder` of the engine), or a remote endpoint. Retrieval, evaluation and
 * the server know only this.
 */

/** What a text is to retrieval. Some encoders (e5) were trained with a prefix for each; `text` is taken as it is. */
export type TextRole = "query" | "passage" | "text";

export interface EmbedOptions {
  readonly signal?: AbortSignal;
  /** @default "text" */
  readonly role?: TextRole;
}

export interface Embedder {
  /** As the user named it; an index remembers it, because vectors of two encoders cannot be compared. */
  readonly name: string;
  /** E: length of every vector. */
  readonly dimensions: number;
  /** Longest text in tokens; the rest of a longer one is not read. Undefined where nobody says. */
  readonly maxTokens?: number;
  /** One vector of length 1 a text, in their order. @throws CancelledError when the signal aborts */
  embed(texts: readonly string[], options?: EmbedOptions): Promise<Float32Array[]>;
  /** Tokens of each text as the encoder counts them, special tokens included; for chunk sizes and for usage. */
  countTokens?(texts: readonly string[]): Promise<number[]>;
  close(): Promise<void>;
}
