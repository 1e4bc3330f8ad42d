/**
 * A loaded encoder that makes vectors, inside the worker: texts → framed ids → packs of rows → hidden rows → one vector of length 1 a text.
 * Texts are packed up to a number of tokens, so that short ones fill the matrix products; longest first, so that a pack's texts are alike.
 */
import type { Backend } from "../backend/backend.ts";
import type { EmbedderConfig } from "../config/schemas/retrieval.ts";
import { CancelledError } from "../errors/cancelled-error.ts";
import type { Encoder } from "../models/encoder.ts";
import type { EncoderSource, Pooling } from "../models/encoder-source.ts";
import { loadEncoder } from "../models/load-encoder.ts";
import type { TextRole } from "../retrieval/embedder.ts";
import { poolRows } from "../retrieval/pool-rows.ts";
import { Arena } from "../tensor/arena.ts";
import { checkVocabulary } from "../text/check-vocabulary.ts";
import { type EncoderTokenizer, encodeFramed, readEncoderTokenizer } from "../text/encoder-tokenizer.ts";

/** Rows of a pack: past this the products are no faster, and memory grows. */
const PACK_TOKENS = 2048;

export class EncoderSession {
  readonly dimensions: number;
  readonly maxTokens: number;
  readonly #encoder: Encoder;
  readonly #tokenizer: EncoderTokenizer;
  readonly #pooling: Pooling;
  readonly #prefixes: Readonly<Record<TextRole, string>>;

  static async open(source: EncoderSource, backend: Backend, config: EmbedderConfig): Promise<EncoderSession> {
    const compute = config.compute === "auto" ? (backend.device.activationDTypes[0] ?? "f32") : config.compute;
    const tokenizer = readEncoderTokenizer(source.tokenizerSource);
    checkVocabulary(tokenizer.tokenizer, source.shape.vocabularySize, source.path);
    return new EncoderSession(source, await loadEncoder(new Arena(backend), source, compute), tokenizer, config);
  }

  private constructor(source: EncoderSource, encoder: Encoder, tokenizer: EncoderTokenizer, config: EmbedderConfig) {
    this.#encoder = encoder;
    this.#tokenizer = tokenizer;
    this.#pooling = config.pooling === "auto" ? source.pooling : config.pooling;
    this.#prefixes = {
      query: config.queryPrefix ?? source.prefixes.query,
      passage: config.passagePrefix ?? source.prefixes.passage,
      text: "",
    };
    this.dimensions = source.shape.hiddenSize;
    this.maxTokens = source.maxTokens;
  }

  /** @returns the vectors side by side, f32 [texts, E], and how many tokens were read */
  async embed(texts: readonly string[], role: TextRole, isCancelled: () => boolean): Promise<{ vectors: Float32Array; tokens: number }> {
    const ids = texts.map((text) => encodeFramed(this.#tokenizer, this.#prefixes[role] + text, this.maxTokens));
    const order = ids.map((_, index) => index).sort((a, b) => ids[b]!.length - ids[a]!.length || a - b);
    const vectors = new Float32Array(texts.length * this.dimensions);
    let tokens = 0;
    for (let first = 0; first < order.length; ) {
      if (isCancelled()) throw new CancelledError("Making vectors");
      let rows = 0;
      let end = first;
      while (end < order.length && (end === first || rows + ids[order[end]!]!.length <= PACK_TOKENS)) rows += ids[order[end++]!]!.length;
      const pack = order.slice(first, end);
      const hidden = await this.#encoder.encode(pack.map((index) => ids[index]!));
      const pooled = poolRows(
        hidden,
        pack.map((index) => ids[index]!.length),
        this.dimensions,
        this.#pooling,
      );
      for (const [place, index] of pack.entries()) vectors.set(pooled[place]!, index * this.dimensions);
      tokens += rows;
      first = end;
    }
    return { vectors, tokens };
  }

  countTokens(texts: readonly string[]): number[] {
    const { tokenizer, before, after } = this.#tokenizer;
    return texts.map((text) => tokenizer.encode(text).length + before.length + after.length);
  }

  dispose(): void {
    const { backend } = this.#encoder;
    this.#encoder.dispose();
    backend.dispose();
  }
}
