/**
 * A question → the chunks that may answer it: full text and vectors, fused by reciprocal rank, then put in order by a reranker.
 */
import { CancelledError } from "../errors/cancelled-error.ts";
import { IndexError } from "../errors/index-error.ts";
import { contentWords, coverageOf } from "./content-words.ts";
import type { Embedder } from "./embedder.ts";
import { fuseRanks } from "./fuse-ranks.ts";
import type { Hit } from "./hit.ts";
import type { Reranker } from "./rerank/reranker.ts";
import type { DocumentIndex, FoundRow } from "./store/document-index.ts";

export type SearchMode = "text" | "vectors" | "both";

export interface RetrieveOptions {
  /** @default both where the index has vectors and there is an embedder, else text */
  readonly search?: SearchMode;
  /** Hits returned. */
  readonly limit: number;
  /** Hits of each search before reranking. */
  readonly candidates: number;
  readonly embedder?: Embedder;
  readonly reranker?: Reranker;
  /** Hits from elsewhere (the web), best first; they take their place among the index's. */
  readonly also?: (text: string, signal?: AbortSignal) => Promise<readonly Hit[]>;
  readonly signal?: AbortSignal;
}

export interface Retrieved {
  readonly search: SearchMode;
  readonly hits: readonly Hit[];
}

/** @param index undefined: only what `also` finds  @throws IndexError when vectors are asked for and there are none */
export async function retrieve(index: DocumentIndex | undefined, question: string, options: RetrieveOptions): Promise<Retrieved> {
  const { embedder, reranker, signal } = options;
  const canEmbed = index?.hasVectors === true && embedder !== undefined;
  const search = (index && options.search) ?? (canEmbed ? "both" : "text");
  if (index && search !== "text" && !canEmbed) {
    throw new IndexError(
      "Searching the index",
      index.path,
      "expected vectors, found full text alone",
      "Index the documents with --embedder, or search with --search text.",
    );
  }
  const find = async (text: string): Promise<Hit[]> => {
    if (signal?.aborted) throw new CancelledError("Searching the index");
    const vector = search === "text" ? undefined : (await embedder!.embed([text], { role: "query", signal }))[0]!;
    const [words, near, elsewhere] = await Promise.all([
      !index || search === "vectors" ? [] : index.searchText(text, options.candidates),
      index && vector ? index.searchVector(vector, options.candidates) : [],
      options.also?.(text, signal) ?? [],
    ]);
    return join(fuse(question, words, near, vector), elsewhere);
  };
  const hits = await find(question);
  const ordered = reranker
    ? await reranker.rerank(question, hits, { limit: options.limit, find, embedder: canEmbed ? embedder : undefined, signal })
    : hits;
  return { search, hits: ordered.slice(0, options.limit) };
}

function fuse(question: string, words: readonly FoundRow[], near: readonly FoundRow[], vector: Float32Array | undefined): Hit[] {
  const rows = new Map([...near, ...words].map((row) => [keyOf(row), row]));
  const textRanks = ranks(words);
  const vectorRanks = ranks(near);
  const lists = [near.map(keyOf), words.map(keyOf)];
  const asked = contentWords(question);
  const scores = new Map(words.map((row) => [keyOf(row), row.score]));
  return fuseRanks(lists).map(({ key, score }) => {
    const { id, document, ordinal, title, heading, place, full, tokens, vector: stored } = rows.get(key)!;
    return {
      id,
      document,
      ordinal,
      title,
      heading,
      place,
      text: heading === "" ? full : full.slice(heading.length + 1),
      tokens,
      vector: stored,
      textRank: textRanks.get(key),
      vectorRank: vectorRanks.get(key),
      textScore: scores.get(key),
      similarity: vector && stored ? cosine(vector, stored) : undefined,
      coverage: coverageOf(asked, full),
      score,
    };
  });
}

/** Two lists of hits as one, by reciprocal rank. */
function join(own: readonly Hit[], elsewhere: readonly Hit[]): Hit[] {
  if (elsewhere.length === 0) return [...own];
  const hits = new Map([...elsewhere, ...own].map((hit) => [keyOf(hit), hit]));
  return fuseRanks([own.map(keyOf), elsewhere.map(keyOf)]).map(({ key, score }) => ({ ...hits.get(key)!, score }));
}

const keyOf = ({ document, ordinal }: { document: string; ordinal: number }): string => `${ordinal} ${document}`;
const ranks = (rows: readonly FoundRow[]) => new Map(rows.map((row, index) => [keyOf(row), index + 1]));

/** Both of length 1. */
export function cosine(a: Float32Array, b: Float32Array): number {
  let sum = 0;
  for (let i = 0; i < a.length; i++) sum += a[i]! * b[i]!;
  return sum;
}
