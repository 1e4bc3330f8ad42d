/** A cross-encoder behind an endpoint of Cohere's or Jina's kind: POST { model, query, documents, top_n } → { results: [{ index, relevance_score }] }. */
import { EndpointError } from "../../errors/endpoint-error.ts";
import { isObject } from "../../formats/untrusted-json.ts";
import { callEndpoint } from "../call-endpoint.ts";
import type { Reranker } from "./reranker.ts";

const DOING = "Reranking";
const KEY_NAME = "REMORA_RERANK_KEY";

export interface RemoteRerankerOptions {
  /** Whole address of the call: `https://api.cohere.com/v2/rerank`, `https://api.jina.ai/v1/rerank`. */
  readonly url: string;
  readonly model: string | undefined;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly fetch: typeof fetch;
}

export function remoteCrossEncoder({ url, model, env, fetch }: RemoteRerankerOptions): Reranker {
  return {
    name: "remote",
    async rerank(question, hits, { limit, signal }) {
      if (hits.length === 0) return [];
      const documents = hits.map((hit) => (hit.heading === "" ? hit.text : `${hit.heading}\n${hit.text}`));
      const body = { ...(model === undefined ? {} : { model }), query: question, documents, top_n: Math.min(limit, hits.length) };
      const answer = await callEndpoint({ url, doing: DOING, key: env[KEY_NAME], keyName: KEY_NAME, fetch }, body, signal);
      const results = isObject(answer) ? answer.results : undefined;
      const isResult = (entry: unknown): entry is { index: number; relevance_score: number } =>
        isObject(entry) &&
        Number.isInteger(entry.index) &&
        hits[entry.index as number] !== undefined &&
        Number.isFinite(entry.relevance_score);
      if (!Array.isArray(results) || !results.every(isResult) || new Set(results.map(({ index }) => index)).size !== results.length) {
        throw new EndpointError(
          DOING,
          url,
          'expected "results" with an index and a relevance_score each, found something else',
          "Name the endpoint's whole rerank address.",
        );
      }
      return [...results]
        .sort((a, b) => b.relevance_score - a.relevance_score)
        .map(({ index, relevance_score }) => ({ ...hits[index]!, score: relevance_score }));
    },
  };
}
