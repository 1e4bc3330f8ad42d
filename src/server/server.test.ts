/** The server as its clients meet it: answers whole and streamed, limits, malformed requests, leaving early, stopping. */
import { connect } from "node:net";
import OpenAI from "openai";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { openModel } from "../engine/index.ts";
import { shippedModels } from "../hub/shipped-models.ts";
import { createApp } from "./app.ts";
import { letterEmbedder, openTestServer, type TestServer } from "./testing/test-server.ts";

let server: TestServer;
let openai: OpenAI;
const messages = [{ role: "user" as const, content: "hello" }];

beforeAll(async () => {
  server = await openTestServer({ apiKey: "secret", embedder: letterEmbedder() });
  openai = new OpenAI({ baseURL: `${server.url}/v1`, apiKey: "secret", maxRetries: 0 });
});
afterAll(() => server.close());

const post = (path: string, body: unknown, headers: Record<string, string> = {}) =>
  fetch(`${server.url}${path}`, {
    method: "POST",
    headers: { authorization: "Bearer secret", "content-type": "application/json", ...headers },
    body: typeof body === "string" ? body : JSON.stringify(body),
  });

async function settled(): Promise<void> {
  for (let tries = 0; tries < 200; tries++) {
    const { running, waiting } = await server.session.stats();
    if (running + waiting === 0) return;
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  throw new Error("answers still run");
}

describe("the openai client", () => {
  it("gets the same answer whole, streamed, and again with the same seed", async () => {
    const settings = { model: "tiny", messages, seed: 7, temperature: 1, max_tokens: 12 };
    const whole = await openai.chat.completions.create({ ...settings, logprobs: true });
    const [choice] = whole.choices;
    expect(whole.usage!.completion_tokens).toBeGreaterThan(0);
    expect(whole.usage!.total_tokens).toBe(whole.usage!.prompt_tokens + whole.usage!.completion_tokens);
    expect(choice!.logprobs!.content).toHaveLength(whole.usage!.completion_tokens);
    for (const { logprob } of choice!.logprobs!.content!) expect(logprob).toBeLessThanOrEqual(0);
    let text = "";
    let finish: string | null = null;
    let usage: unknown;
    for await (const chunk of await openai.chat.completions.create({
      ...settings,
      stream: true,
      stream_options: { include_usage: true },
    })) {
      text += chunk.choices[0]?.delta.content ?? "";
      finish = chunk.choices[0]?.finish_reason ?? finish;
      usage = chunk.usage ?? usage;
    }
    expect(text).toBe(choice!.message.content);
    expect(finish).toBe(choice!.finish_reason);
    expect(usage).toMatchObject({ completion_tokens: whole.usage!.completion_tokens });
  });

  it("gets n choices, several prompts, stops, and the length as a reason", async () => {
    const several = await openai.completions.create({ model: "tiny", prompt: ["ab", "cd"], n: 2, seed: 1, temperature: 1, max_tokens: 6 });
    expect(several.choices.map(({ index }) => index)).toEqual([0, 1, 2, 3]);
    expect(several.choices[0]!.text).not.toBe(several.choices[1]!.text);
    const [first] = several.choices;
    expect(first!.finish_reason).toBe("length");
    const stop = [...first!.text][2]!;
    const stopped = await openai.completions.create({ model: "tiny", prompt: "ab", seed: 1, temperature: 1, max_tokens: 6, stop });
    expect(stopped.choices[0]).toMatchObject({ finish_reason: "stop", text: first!.text.slice(0, first!.text.indexOf(stop)) });
  });

  it("lists the models and gets embeddings, as floats and as base64", async () => {
    expect((await openai.models.list()).data.map(({ id }) => id)).toEqual(["tiny", "letters"]);
    expect((await openai.models.retrieve("tiny")).id).toBe("tiny");
    const texts = ["abba", "zz"];
    const floats = await openai.embeddings.create({ model: "letters", input: texts, encoding_format: "float" });
    const encoded = await openai.embeddings.create({ model: "letters", input: texts }); // the client asks for base64 by itself
    expect(floats.data.map(({ embedding }) => embedding.length)).toEqual([26, 26]);
    expect(floats.data[1]!.embedding[25]).toBe(1);
    for (const [index, { embedding }] of encoded.data.entries())
      for (const [at, value] of embedding.entries()) expect(value).toBeCloseTo(floats.data[index]!.embedding[at]!, 6);
  });

  it("reads refusals as its own kinds of errors", async () => {
    const wrongKey = new OpenAI({ baseURL: `${server.url}/v1`, apiKey: "wrong", maxRetries: 0 });
    await expect(wrongKey.models.list()).rejects.toBeInstanceOf(OpenAI.AuthenticationError);
    await expect(openai.chat.completions.create({ model: "gpt-9", messages })).rejects.toBeInstanceOf(OpenAI.NotFoundError);
    const long = [{ role: "user" as const, content: "x".repeat(600) }];
    for (const stream of [false, true])
      await expect(openai.chat.completions.create({ model: "tiny", messages: long, stream })).rejects.toMatchObject({
        status: 400,
        code: "context_length_exceeded",
      });
  });
});

describe("bad requests", () => {
  const chat = (changes: object) => ({ model: "tiny", messages, max_tokens: 2, ...changes });
  it.each([
    ["{", 400, "body"],
    ["[]", 400, "body"],
    ["null", 400, "body"],
    [chat({ messages: [] }), 400, "messages"],
    [chat({ messages: [{ role: "king", content: "x" }] }), 400, "messages.0.role"],
    [
      chat({ messages: [{ role: "user", content: [{ type: "image_url", image_url: { url: "file:///etc/passwd" } }] }] }),
      400,
      "messages.0.content",
    ],
    [chat({ temperature: -1 }), 400, "temperature"],
    [chat({ max_tokens: 1.5 }), 400, "max_tokens"],
    [chat({ n: 1e9 }), 400, "n"],
    [chat({ seed: 2 ** 60 }), 400, "seed"],
    [chat({ stop: Array(1000).fill("x") }), 400, "stop"],
    [chat({ tools: [{ type: "function" }] }), 400, "tools"],
    [chat({ top_logprobs: 5 }), 400, "top_logprobs"],
    [chat({ response_format: { type: "json_object" } }), 400, "response_format"],
    ["x".repeat(200_000), 413, "longer than 100000 bytes"],
    [`{"a":${"[".repeat(20_000)}${"]".repeat(20_000)}}`, 400, "model"],
  ])("%.60j: %i", async (body, status, names) => {
    const response = await post("/v1/chat/completions", body);
    expect(response.status).toBe(status);
    const { error } = (await response.json()) as { error: { message: string; type: string; code: string } };
    expect(error.message).toContain(names);
    expect(error.type).toBe("invalid_request_error");
  });

  it("says which route there is not, and refuses more requests than fit the line", async () => {
    expect((await post("/v1/nothing", {})).status).toBe(404);
    const many = Array.from({ length: 6 }, () => post("/v1/completions", { model: "tiny", prompt: "a", max_tokens: 200, n: 16 }));
    const statuses = (await Promise.all(many)).map(({ status }) => status);
    expect(new Set(statuses)).toEqual(new Set([200, 429]));
    expect(statuses.filter((status) => status === 200).length).toBeGreaterThanOrEqual(2);
  });

  it("refuses an empty prompt where no token stands before every text, and what runs beside it goes on", async () => {
    const session = await openModel({ model: shippedModels()[0]!, slots: 2, threads: 1, device: "cpu", offline: true });
    const { fetch: ask } = createApp({ session, name: "shipped", maxBodyBytes: 1000, maxInFlight: 4, timeoutMs: 60_000 });
    const complete = (prompt: string) => {
      const body = JSON.stringify({ model: "shipped", prompt, max_tokens: 20, seed: 1 });
      return ask(new Request("http://server/v1/completions", { method: "POST", body }));
    };
    const beside = complete("It is raining.");
    const empty = await complete("");
    expect(empty.status).toBe(400);
    expect(((await empty.json()) as { error: { code: string } }).error.code).toBe("empty-prompt");
    expect((await beside).status).toBe(200);
    await session.close();
  });

  it("survives bytes that are no HTTP and a body that never comes", async () => {
    const raw = (text: string) =>
      new Promise<string>((resolve) => {
        const socket = connect(Number(new URL(server.url).port), "127.0.0.1", () => socket.write(text));
        let answer = "";
        socket.on("data", (data) => (answer += data));
        socket.on("close", () => resolve(answer)).on("error", () => {});
        setTimeout(() => socket.destroy(), 300);
      });
    const bodyOf = (answer: string) => JSON.parse(answer.split("\r\n\r\n")[1]!) as { error: { code: string; type: string } };
    const refused = await raw("\x16\x03\x01 hello\r\n\r\n");
    expect(refused).toMatch(/^HTTP\/1\.1 400 Bad Request\r\n/);
    expect(bodyOf(refused).error).toMatchObject({ code: "not_http", type: "invalid_request_error" });
    const long = await raw(`GET /v1/models HTTP/1.1\r\nhost: x\r\nx: ${"a".repeat(20_000)}\r\n\r\n`);
    expect(long).toMatch(/^HTTP\/1\.1 431 /);
    expect(bodyOf(long).error.code).toBe("headers_too_large");
    expect(await raw("POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\nauthorization: Bearer secret\r\ncontent-length: 100\r\n\r\n{")).toBe(
      "",
    );
    expect((await post("/v1/completions", { model: "tiny", prompt: "a", max_tokens: 2 })).status).toBe(200);
    expect(server.failures).toEqual([]);
  });
});

it("stops what a client that left had asked for, and gives its pages back", async () => {
  await settled();
  const leave = new AbortController();
  const stream = await openai.chat.completions.create(
    { model: "tiny", messages, max_tokens: 400, stream: true, temperature: 2, n: 4 },
    { signal: leave.signal },
  );
  for await (const _ of stream) break;
  leave.abort();
  await settled();
  const { running, waiting } = await server.session.stats();
  expect({ running, waiting }).toEqual({ running: 0, waiting: 0 });
});

it("joins a running batch: a short request beside a long one is not made to wait, and both answer as alone", async () => {
  const ask = (prompt: string, max_tokens: number) =>
    openai.completions.create({ model: "tiny", prompt, max_tokens, temperature: 1, seed: 3 });
  const alone = [await ask("long", 300), await ask("short", 3)];
  let isLongDone = false;
  const long = ask("long", 300).finally(() => (isLongDone = true));
  const short = await ask("short", 3);
  const wasLongDone = isLongDone;
  expect(short.choices[0]!.text).toBe(alone[1]!.choices[0]!.text);
  expect((await long).choices[0]!.text).toBe(alone[0]!.choices[0]!.text);
  if (alone[0]!.usage!.completion_tokens > 100) expect(wasLongDone).toBe(false);
});

it("ends a request whose time is over, refuses new ones while stopping, and lets running answers finish", async () => {
  const other = await openTestServer({ timeoutMs: 1 });
  const call = (max_tokens: number) =>
    fetch(`${other.url}/v1/completions`, { method: "POST", body: JSON.stringify({ model: "tiny", prompt: "a", max_tokens }) });
  expect((await call(400)).status).toBe(504);
  await other.close();
  const last = await openTestServer();
  const running = fetch(`${last.url}/v1/completions`, {
    method: "POST",
    body: JSON.stringify({ model: "tiny", prompt: "a", max_tokens: 100, stream: true }),
  });
  const response = await running;
  const stopped = last.close();
  const text = await response.text();
  expect(text).toContain("finish_reason");
  expect(text.trimEnd().endsWith("data: [DONE]")).toBe(true);
  await stopped;
  await expect(fetch(`${last.url}/health`)).rejects.toThrow();
});
