/**
 * Points of view: a chunk counts for how strongly it speaks to any of a list of viewpoints (cost, safety, history …), to widen an answer beyond the
 * obvious. The index is searched again for the question with each viewpoint, because the question alone may find none of what they ask for.
 *
 *   score = ½ · relevance to the question + ½ · max_v relevance to v          both spread over 0 … 1 among the candidates
 *
 * Relevance is a cosine of vectors, or, without them, the share of content words that stand in the chunk. Hits are then taken in turns: the best
 * for each viewpoint before the second best for any, so that no viewpoint fills all places.
 */
import { contentWords, coverageOf } from "../content-words.ts";
import type { Hit } from "../hit.ts";
import { spread } from "./likeness.ts";
import type { RerankContext, Reranker } from "./reranker.ts";

export function pointsOfView(viewpoints: readonly string[]): Reranker {
  return {
    name: "viewpoints",
    async rerank(question, hits, context) {
      const candidates = await widen(question, hits, viewpoints, context);
      const speaks = await relevanceToViewpoints(candidates, viewpoints, context);
      const toQuestion = spread(candidates.map((hit) => hit.similarity ?? hit.coverage));
      const strongest = candidates.map((_, index) =>
        viewpoints.reduce((best, _v, v) => (speaks[v]![index]! > speaks[best]![index]! ? v : best), 0),
      );
      const toViewpoint = spread(candidates.map((_, index) => speaks[strongest[index]!]![index]!));
      const scored = candidates.map((hit, index) => ({
        ...hit,
        viewpoint: viewpoints[strongest[index]!],
        score: (toQuestion[index]! + toViewpoint[index]!) / 2,
      }));
      return inTurns(scored.sort((a, b) => b.score - a.score));
    },
  };
}

async function widen(question: string, hits: readonly Hit[], viewpoints: readonly string[], context: RerankContext): Promise<Hit[]> {
  const byPlace = new Map(hits.map((hit) => [`${hit.ordinal} ${hit.document}`, hit]));
  for (const viewpoint of viewpoints) {
    for (const hit of await context.find(`${question} ${viewpoint}`)) {
      const key = `${hit.ordinal} ${hit.document}`;
      if (!byPlace.has(key)) byPlace.set(key, hit);
    }
  }
  return [...byPlace.values()];
}

/** [viewpoint][candidate] */
async function relevanceToViewpoints(
  candidates: readonly Hit[],
  viewpoints: readonly string[],
  { embedder, signal }: RerankContext,
): Promise<number[][]> {
  if (embedder && candidates.every((hit) => hit.vector)) {
    const vectors = await embedder.embed(viewpoints, { role: "query", signal });
    return vectors.map((vector) => candidates.map((hit) => hit.vector!.reduce((sum, value, i) => sum + value * vector[i]!, 0)));
  }
  return viewpoints.map((viewpoint) => {
    const words = contentWords(viewpoint);
    return candidates.map((hit) => coverageOf(words, `${hit.heading}\n${hit.text}`));
  });
}

function inTurns(sorted: readonly Hit[]): Hit[] {
  const turnOf = new Map<string | undefined, number>();
  return sorted
    .map((hit) => {
      const turn = turnOf.get(hit.viewpoint) ?? 0;
      turnOf.set(hit.viewpoint, turn + 1);
      return { hit, turn };
    })
    .sort((a, b) => a.turn - b.turn || b.hit.score - a.hit.score)
    .map(({ hit }) => hit);
}
