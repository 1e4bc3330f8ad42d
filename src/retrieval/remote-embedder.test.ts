import { expect, test } from "vitest";
import { RemoteEmbedder } from "./remote-embedder.ts";

interface Call {
  url: string;
  body: { model: string; input: string[] };
  authorization: string | undefined;
}

/** An endpoint whose vectors are the lengths of texts; it answers in reverse order, as the protocol allows. */
function endpoint(answer?: (call: Call, count: number) => Response | undefined) {
  const calls: Call[] = [];
  const fetch = (async (url: string, init: RequestInit) => {
    const call = {
      url,
      body: JSON.parse(String(init.body)) as Call["body"],
      authorization: (init.headers as Record<string, string>).authorization,
    };
    calls.push(call);
    const special = answer?.(call, calls.length);
    if (special) return special;
    const data = call.body.input.map((text, index) => ({ index, embedding: [text.length, 0, 3] })).reverse();
    return new Response(JSON.stringify({ data }));
  }) as unknown as typeof globalThis.fetch;
  const options = {
    url: "http://embed.test/v1/",
    model: "m",
    prefixes: { query: "Q ", passage: "", text: "" },
    env: { REMORA_EMBEDDER_KEY: "secret-key", OPENAI_API_KEY: "other" },
    fetch,
  };
  return { calls, options };
}
const message = (promise: Promise<unknown>) => promise.then(String, (error: Error) => error.message);

test("texts in batches, vectors of length 1 in their order, prefixes by role", async () => {
  const { calls, options } = endpoint();
  const embedder = await RemoteEmbedder.open(options);
  expect(embedder.dimensions).toBe(3);
  expect(calls[0]).toEqual({
    url: "http://embed.test/v1/embeddings",
    body: { model: "m", input: ["remora"], encoding_format: "float" },
    authorization: "Bearer secret-key",
  });
  const vectors = await embedder.embed(Array.from({ length: 70 }, (_, i) => "x".repeat(i + 1)));
  expect(calls.slice(1).map(({ body }) => body.input.length)).toEqual([64, 6]);
  expect([...vectors[3]!].map((value) => Math.round(value * 1000) / 1000)).toEqual([0.8, 0, 0.6]);
  await embedder.embed(["x"], { role: "query" });
  expect(calls.at(-1)!.body.input).toEqual(["Q x"]);
});

test("a busy endpoint is asked again; another host never gets OpenAI's key", async () => {
  const { calls, options } = endpoint((_, count) => (count === 1 ? new Response("busy", { status: 429 }) : undefined));
  await RemoteEmbedder.open({ ...options, env: { OPENAI_API_KEY: "other" } });
  expect(calls.map(({ authorization }) => authorization)).toEqual([undefined, undefined]);
});

test("what goes wrong is said without the key", async () => {
  const with_ = (answer: () => Response) => message(RemoteEmbedder.open(endpoint(answer).options));
  expect(await with_(() => new Response("no", { status: 401 }))).toMatchInlineSnapshot(`
    "Asking for vectors at http://embed.test/v1/embeddings: the endpoint answered 401: "no"
      Put a valid key into REMORA_EMBEDDER_KEY."
  `);
  expect(await with_(() => new Response("<html>"))).toMatchInlineSnapshot(`
    "Asking for vectors at http://embed.test/v1/embeddings: expected JSON, found "<html>"
      Check the address: it should end in /v1 or the call's own path."
  `);
  expect(await with_(() => new Response('{"data":[{"index":0,"embedding":[1,null]}]}'))).toMatchInlineSnapshot(`
    "Asking for vectors at http://embed.test/v1/: expected a list of finite numbers in every entry, found something else
      Check that the address is of an OpenAI-compatible embeddings endpoint."
  `);
});
