/**
 * Maximal marginal relevance: the next chunk is the one that is relevant and unlike those already taken,
 * `argmax λ · relevance(d) − (1 − λ) · max_taken likeness(d, t)`, so that five sources do not say one thing five times.
 * Relevance is the cosine with the question (without vectors the fused score), spread over 0 … 1.
 * Source: Carbonell & Goldstein, SIGIR 1998.
 */
import type { Hit } from "../hit.ts";
import { makeLikeness, spread } from "./likeness.ts";
import type { Reranker } from "./reranker.ts";

/** @param balance λ: 1 is relevance alone, 0 difference alone */
export function maximalMarginalRelevance(balance: number): Reranker {
  return {
    name: "mmr",
    async rerank(_question, hits, { limit }) {
      const likeness = makeLikeness();
      const relevance = spread(hits.map((hit) => hit.similarity ?? hit.score));
      const left = hits.map((hit, index) => ({ hit, relevance: relevance[index]!, nearest: 0 }));
      const taken: Hit[] = [];
      while (left.length > 0 && taken.length < limit) {
        let best = 0;
        const gain = ({ relevance, nearest }: (typeof left)[number]) => balance * relevance - (1 - balance) * nearest;
        for (let i = 1; i < left.length; i++) if (gain(left[i]!) > gain(left[best]!)) best = i;
        const [picked] = left.splice(best, 1);
        taken.push({ ...picked!.hit, score: gain(picked!) });
        for (const other of left) other.nearest = Math.max(other.nearest, likeness(picked!.hit, other.hit));
      }
      return taken;
    },
  };
}
