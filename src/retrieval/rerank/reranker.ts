/** What puts found chunks in order; see the files beside this one. */
import type { Embedder } from "../embedder.ts";
import type { Hit } from "../hit.ts";

export interface RerankContext {
  /** Hits wanted in the end. */
  readonly limit: number;
  /** Searches the index again with other words, as for the question. */
  find(text: string): Promise<Hit[]>;
  /** Undefined where the index has no vectors. */
  readonly embedder: Embedder | undefined;
  readonly signal?: AbortSignal;
}

export interface Reranker {
  readonly name: string;
  /** @returns hits, best first, each with the score that placed it */
  rerank(question: string, hits: readonly Hit[], context: RerankContext): Promise<Hit[]>;
}
