import { describe, expect, test } from "vitest";
import { fuseRanks } from "../fuse-ranks.ts";
import type { Hit } from "../hit.ts";
import { maximalMarginalRelevance } from "./maximal-marginal-relevance.ts";
import { remoteCrossEncoder } from "./remote-cross-encoder.ts";
import type { RerankContext } from "./reranker.ts";
import { pointsOfView } from "./viewpoints.ts";

function hit(id: string, changes: Partial<Hit> = {}): Hit {
  return {
    id,
    document: `${id}.md`,
    ordinal: 0,
    title: id,
    heading: "",
    place: "",
    text: id,
    tokens: 1,
    coverage: 0,
    score: 0,
    ...changes,
  };
}
const context = (changes: Partial<RerankContext> = {}): RerankContext => ({
  limit: 2,
  find: async () => [],
  embedder: undefined,
  ...changes,
});
const ids = (hits: readonly Hit[]) => hits.map(({ id }) => id);

test("reciprocal ranks: found twice beats found once; by hand", () => {
  const fused = fuseRanks([
    ["a", "b", "c"],
    ["b", "d"],
  ]);
  expect(fused.map(({ key }) => key)).toEqual(["b", "a", "d", "c"]);
  expect(fused[0]!.score).toBeCloseTo(1 / 62 + 1 / 61, 12);
  expect(fuseRanks([])).toEqual([]);
});

describe("maximal marginal relevance", () => {
  const vectors = { a: [1, 0], b: [0.99, 0.141], c: [0, 1] };
  const hits = [
    hit("a", { similarity: 0.9, vector: Float32Array.from(vectors.a) }),
    hit("b", { similarity: 0.88, vector: Float32Array.from(vectors.b) }),
    hit("c", { similarity: 0.6, vector: Float32Array.from(vectors.c) }),
  ];
  test("takes the unlike one before the twin; at 1 relevance alone counts", async () => {
    expect(ids(await maximalMarginalRelevance(0.5).rerank("q", hits, context()))).toEqual(["a", "c"]);
    expect(ids(await maximalMarginalRelevance(1).rerank("q", hits, context()))).toEqual(["a", "b"]);
  });

  test("without vectors words decide what is alike", async () => {
    const texts = [
      hit("a", { score: 3, text: "the shark swims fast" }),
      hit("b", { score: 2.9, text: "the shark swims very fast" }),
      hit("c", { score: 2, text: "remoras hold on" }),
      hit("d", { score: 0, text: "rain" }),
    ];
    expect(ids(await maximalMarginalRelevance(0.5).rerank("q", texts, context()))).toEqual(["a", "c"]);
  });
});

test("points of view: each is heard before any is heard twice, and the index is asked for each", async () => {
  const asked: string[] = [];
  const found = [hit("cost1", { text: "The cost is high", coverage: 0.9 }), hit("cost2", { text: "cost again", coverage: 0.8 })];
  const hits = await pointsOfView(["cost", "safety"]).rerank(
    "Should we?",
    found,
    context({
      find: async (text) => {
        asked.push(text);
        return [hit("safe", { text: "It is a question of safety", coverage: 0.1 })];
      },
    }),
  );
  expect(asked).toEqual(["Should we? cost", "Should we? safety"]);
  expect(hits.map(({ id, viewpoint }) => [id, viewpoint])).toEqual([
    ["cost1", "cost"],
    ["safe", "safety"],
    ["cost2", "cost"],
  ]);
});

describe("a remote cross-encoder", () => {
  const options = (answer: unknown, status = 200, seen: unknown[] = []) => ({
    url: "http://rerank.test/v1/rerank",
    model: "m",
    env: { REMORA_RERANK_KEY: "secret-key" },
    fetch: (async (url: string, init: RequestInit) => {
      seen.push([url, JSON.parse(String(init.body)), (init.headers as Record<string, string>).authorization]);
      return new Response(JSON.stringify(answer), { status });
    }) as unknown as typeof fetch,
  });
  test("puts hits in its order", async () => {
    const seen: unknown[] = [];
    const results = [
      { index: 0, relevance_score: 0.1 },
      { index: 1, relevance_score: 0.9 },
    ];
    const hits = await remoteCrossEncoder(options({ results }, 200, seen)).rerank("q", [hit("a"), hit("b", { heading: "H" })], context());
    expect(hits.map(({ id, score }) => [id, score])).toEqual([
      ["b", 0.9],
      ["a", 0.1],
    ]);
    expect(seen).toEqual([
      ["http://rerank.test/v1/rerank", { model: "m", query: "q", documents: ["a", "H\nb"], top_n: 2 }, "Bearer secret-key"],
    ]);
  });

  test("wrong answers and refusals are errors that never hold the key", async () => {
    const ask = (answer: unknown, status?: number) =>
      remoteCrossEncoder(options(answer, status))
        .rerank("q", [hit("a")], context())
        .then(String, (error: Error) => error.message);
    expect(await ask({ results: [{ index: 7, relevance_score: 1 }] })).toMatchInlineSnapshot(`
      "Reranking at http://rerank.test/v1/rerank: expected "results" with an index and a relevance_score each, found something else
        Name the endpoint's whole rerank address."
    `);
    expect(await ask({ error: "bad key" }, 401)).toMatchInlineSnapshot(`
      "Reranking at http://rerank.test/v1/rerank: the endpoint answered 401: "{\\"error\\":\\"bad key\\"}"
        Put a valid key into REMORA_RERANK_KEY."
    `);
  });
});
