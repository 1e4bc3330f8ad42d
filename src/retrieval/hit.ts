/** A chunk that was found for a question, with every figure that put it in its place. */
export interface Hit {
  readonly id: string;
  readonly document: string;
  readonly ordinal: number;
  readonly title: string;
  readonly heading: string;
  readonly place: string;
  readonly text: string;
  readonly tokens: number;
  readonly vector?: Float32Array;
  /** Rank from 1 in each search that found it. */
  readonly textRank?: number;
  readonly vectorRank?: number;
  /** BM25. */
  readonly textScore?: number;
  /** Cosine of question and chunk. */
  readonly similarity?: number;
  /** Share of the question's content words that stand in the chunk. */
  readonly coverage: number;
  /** What the order was made by: the sum of reciprocal ranks, or the reranker's own figure. */
  readonly score: number;
  /** The viewpoint that it speaks to most. */
  readonly viewpoint?: string;
}
