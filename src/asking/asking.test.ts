/** Names, the local engine, a remote endpoint, retries and time limits, and the cache that lets a stopped comparison go on. */
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { writeTinyModel } from "../cli/testing/tiny-model.ts";
import { parseModelName } from "./model-name.ts";
import { askAll } from "./named-model.ts";
import { openNamedModel } from "./open-named-model.ts";

let folder: string;
let server: Server;
let url: string;
/** What the endpoint does with each call: a status, or silence. */
let behaviour: (number | "silent")[] = [];
let calls: { key: string | undefined; body: { messages: unknown } }[] = [];
const request = { messages: [{ role: "user" as const, content: "hi" }], settings: { maxTokens: 5, temperature: 0 } };

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "remora-asking-"));
  await writeTinyModel(join(folder, "model"));
  server = createServer(async (incoming, outgoing) => {
    let text = "";
    for await (const piece of incoming) text += piece;
    calls.push({ key: incoming.headers.authorization, body: JSON.parse(text) });
    const next = behaviour.shift() ?? 200;
    if (next === "silent") return;
    if (next !== 200) {
      outgoing.writeHead(next, { "content-type": "application/json" });
      outgoing.end(JSON.stringify({ error: { message: `refused ${incoming.headers.authorization}` } }));
      return;
    }
    const chunk = (choices: unknown[], usage?: unknown) =>
      `data: ${JSON.stringify({ id: "1", object: "chat.completion.chunk", created: 1, model: "m", choices, usage })}\n\n`;
    outgoing.writeHead(200, { "content-type": "text/event-stream" });
    outgoing.write(chunk([{ index: 0, delta: { role: "assistant", content: "Hel" } }]));
    outgoing.write(chunk([{ index: 0, delta: { content: "lo" }, finish_reason: "stop" }]));
    outgoing.end(`${chunk([], { prompt_tokens: 3, completion_tokens: 2, total_tokens: 5 })}data: [DONE]\n\n`);
  });
  await new Promise<void>((resolve) => void server.listen(0, "127.0.0.1", resolve));
  url = `openai-compatible:http://127.0.0.1:${(server.address() as AddressInfo).port}/v1#m`;
});
afterAll(() => {
  server.closeAllConnections();
  server.close();
  rmSync(folder, { recursive: true });
});

describe("names", () => {
  it.each([
    ["./a", { kind: "local", model: "./a", options: {} }],
    ["local:o/n?adapter=./r/adapter&base=nf4", { kind: "local", model: "o/n", options: { adapter: "./r/adapter", base: "nf4" } }],
    ["openai-compatible:http://h:1/v1/#a/b", { kind: "remote", provider: "openai-compatible", model: "a/b", baseURL: "http://h:1/v1" }],
    ["mistral:small", { kind: "remote", provider: "mistral", model: "small" }],
  ])("%s", (name, expected) => expect(parseModelName(name)).toEqual(expected));

  it("that mean nothing are refused, passwords unseen", () => {
    const refusal = (name: string) => {
      try {
        parseModelName(name);
      } catch (error) {
        return (error as Error).message;
      }
      return "accepted";
    };
    expect(refusal("openai-compatible:h#m")).toMatchInlineSnapshot(
      `"Naming a model: model: expected openai-compatible:http://host:port/v1#model, found "openai-compatible:h#m""`,
    );
    expect(refusal("local:x?speed=9")).toMatchInlineSnapshot(
      `"Naming a model: model: expected local:folder, with none but adapter, base, compute, template, contextLength, device behind the ?, found "local:x?speed=9""`,
    );
    expect(refusal("openai-compatible:http://u:hush@h/v1#m")).not.toContain("hush");
  });
});

it("a local model answers many at once, and again from the cache", async () => {
  const cache = join(folder, "cache");
  const name = `local:${join(folder, "model")}?compute=f32`;
  const model = await openNamedModel(name, { cache, local: { device: "cpu", threads: 1 } });
  const requests = Array.from({ length: 12 }, (_, seed) => ({ prompt: "ab", settings: { maxTokens: 6, temperature: 1, seed } }));
  const answers = await askAll(model, requests);
  expect(answers.filter((answer) => answer instanceof Error)).toEqual([]);
  expect(readdirSync(cache)).toHaveLength(12);
  expect(await askAll(model, requests)).toEqual(answers.map((answer) => JSON.parse(JSON.stringify(answer))));
  await model.ask({ ...requests[0]!, settings: { ...requests[0]!.settings, seed: 99 } });
  expect(readdirSync(cache)).toHaveLength(13);
  await model.close();
});

it("a remote model is tried again, keeps its key to itself, and ends in time", async () => {
  const env = { OPENAI_COMPATIBLE_API_KEY: "hush", OPENAI_API_KEY: "another" };
  const cache = join(folder, "remote-cache");
  const model = await openNamedModel(url, { env, cache, maxRetries: 1, timeoutMs: 5000 });
  behaviour = [503];
  calls = [];
  const answer = await model.ask(request);
  expect(answer).toMatchObject({ text: "Hello", finishReason: "end", promptTokens: 3, tokens: 2 });
  expect(calls.map(({ key }) => key)).toEqual(["Bearer hush", "Bearer hush"]);
  await model.ask(request);
  expect(calls).toHaveLength(2);
  for (const file of readdirSync(cache)) expect(readFileSync(join(cache, file), "utf8")).not.toContain("hush");
  behaviour = [401];
  const failures = await askAll(model, [{ row: { instruction: "Do.", input: "this", system: "Be." } }]);
  expect((failures[0] as Error).message).toContain("refused Bearer …");
  expect(JSON.stringify(failures[0])).not.toContain("hush");
  expect(calls.at(-1)!.body.messages).toEqual([
    { role: "system", content: "Be." },
    { role: "user", content: "Do.\n\nthis" },
  ]);
  const hasty = await openNamedModel(url, { env: {}, maxRetries: 0, timeoutMs: 200 });
  behaviour = ["silent"];
  await expect(hasty.ask(request)).rejects.toThrow("no answer within 0.2 s");
  await expect(openNamedModel("mistral:x", { env: {} })).rejects.toThrow("MISTRAL_API_KEY: expected the key in the environment");
});
