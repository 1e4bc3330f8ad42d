/** What the soak sends: every route, whole and streamed, answers given up half-way, and requests that are wrong; and what each must get back. */
import { type Agent, request } from "node:http";
import { connect } from "node:net";

export interface Target {
  readonly url: string;
  readonly model: string;
  readonly encoder: string;
  readonly maxBodyBytes: number;
}

/** Longest prompt and answer of all kinds together, in tokens at most: what a slot may remember. */
export const LONGEST_TOKENS = 96;

/** Resolves when the answer is as it must be. @throws Error that says what was wrong */
type Send = (target: Target, agent: Agent, index: number) => Promise<void>;

const sentence = (index: number) => `雨が降っています。${index}番の人は駅まで歩いて行きました。`;
const settings = (index: number) => ({ max_tokens: 4 + (index % 13), seed: index, temperature: 1 });
const completion = (index: number, more: object = {}) => ({ prompt: sentence(index), ...settings(index), ...more });
const chat = (index: number, more: object = {}) => ({
  messages: [
    { role: "system", content: "Answer in one sentence." },
    { role: "user", content: sentence(index) },
  ],
  ...settings(index),
  ...more,
});

const COMPLETIONS = "/v1/completions";
const CHAT = "/v1/chat/completions";
const whole = (path: string, body: (index: number) => object, choices = 1): Send => {
  return async (target, agent, index) => {
    const { status, text } = await post(target, agent, path, JSON.stringify({ model: target.model, ...body(index) }));
    const answer = JSON.parse(text) as { choices?: unknown[]; usage?: { completion_tokens: number } };
    if (status !== 200 || answer.choices?.length !== choices || answer.usage === undefined) throw unexpected(path, status, text);
  };
};
const streamed = (path: string, body: (index: number) => object): Send => {
  const more = { stream: true, stream_options: { include_usage: true } };
  return async (target, agent, index) => {
    const { status, text } = await post(target, agent, path, JSON.stringify({ model: target.model, ...body(index), ...more }));
    if (status !== 200 || !text.endsWith("data: [DONE]\n\n") || !text.includes('"usage":{')) throw unexpected(path, status, text);
  };
};
const embedded = (encoding: "float" | "base64"): Send => {
  return async (target, agent, index) => {
    const input = [sentence(index), "The remora holds on.", sentence(index + 1)];
    const body = JSON.stringify({ model: target.encoder, input, encoding_format: encoding });
    const { status, text } = await post(target, agent, "/v1/embeddings", body);
    if (status !== 200 || (JSON.parse(text) as { data: unknown[] }).data.length !== 3) throw unexpected("/v1/embeddings", status, text);
  };
};
const refused = (expected: number, path: string, body: (target: Target, index: number) => string): Send => {
  return async (target, agent, index) => {
    const { status, text } = await post(target, agent, path, body(target, index));
    if (status !== expected || (JSON.parse(text) as { error?: { message: string } }).error === undefined)
      throw unexpected(path, status, text);
  };
};
const longAnswer = (index: number) => completion(index, { max_tokens: 64, stream: true });

/** By name; their order is a turn. */
export const KINDS: Readonly<Record<string, Send>> = {
  "completion, whole": whole(COMPLETIONS, completion),
  "completion, streamed": streamed(COMPLETIONS, completion),
  "chat, whole": whole(CHAT, chat),
  "chat, streamed": streamed(CHAT, chat),
  "completion that stops at a text": whole(COMPLETIONS, (index) => completion(index, { stop: ["。", "a"] })),
  "three answers with log-probabilities": whole(COMPLETIONS, (index) => completion(index, { n: 3, logprobs: 0 }), 3),
  "a list of prompts": whole(COMPLETIONS, (index) => completion(index, { prompt: [sentence(index), "The weather is"] }), 2),
  "chat with log-probabilities, streamed": streamed(CHAT, (index) => chat(index, { logprobs: true })),
  "leaves after 5 ms": async (target, agent, index) => {
    const body = JSON.stringify({ model: target.model, ...longAnswer(index) });
    await post(target, agent, COMPLETIONS, body, { leaveAfterMs: 5 });
  },
  "leaves at the first text": async (target, agent, index) => {
    const body = JSON.stringify({ model: target.model, ...longAnswer(index) });
    await post(target, agent, COMPLETIONS, body, { leaveAtFirstBytes: true });
  },
  "leaves a whole answer after 20 ms": async (target, agent, index) => {
    const body = JSON.stringify({ model: target.model, ...chat(index, { max_tokens: 64 }) });
    await post(target, agent, CHAT, body, { leaveAfterMs: 20 });
  },
  "hangs up inside the body": (target) => hangUp(target, `POST ${COMPLETIONS} HTTP/1.1\r\nhost: x\r\ncontent-length: 5000\r\n\r\n{"model"`),
  "not HTTP": (target) => hangUp(target, "\u0016\u0003\u0001 nothing that a server knows\r\n\r\n"),
  "no JSON": refused(400, CHAT, () => '{"messages": ['),
  "a value that cannot be": refused(400, CHAT, ({ model }, index) => JSON.stringify({ model, ...chat(index), temperature: -1 })),
  "what cannot be honoured": refused(400, CHAT, ({ model }, index) => JSON.stringify({ model, ...chat(index, { tools: [{}] }) })),
  "another model": refused(404, COMPLETIONS, (_, index) => JSON.stringify({ model: "gpt-4", ...completion(index) })),
  "a prompt beyond the context": refused(400, COMPLETIONS, ({ model }) => JSON.stringify({ model, prompt: "雨 ".repeat(9000) })),
  "a body beyond the limit": refused(413, COMPLETIONS, ({ maxBodyBytes }) => "x".repeat(maxBodyBytes + 1)),
  "an empty prompt": refused(400, COMPLETIONS, ({ model }) => JSON.stringify({ model, prompt: "", max_tokens: 2 })),
  "no such route": refused(404, "/v1/images", () => "{}"),
  "embeddings as numbers": embedded("float"),
  "embeddings as base64": embedded("base64"),
};

interface Leaving {
  readonly leaveAfterMs?: number;
  readonly leaveAtFirstBytes?: boolean;
}

/** @returns what came until the end, or until it left (status 0 when it left before anything came) */
function post(target: Target, agent: Agent, path: string, body: string, leaving: Leaving = {}): Promise<{ status: number; text: string }> {
  return new Promise((resolve, reject) => {
    let left = false;
    const sent = request(`${target.url}${path}`, { method: "POST", agent, headers: { "content-type": "application/json" } }, (response) => {
      const pieces: Buffer[] = [];
      const end = () => resolve({ status: response.statusCode!, text: Buffer.concat(pieces).toString() });
      response.on("data", (bytes: Buffer) => {
        pieces.push(bytes);
        if (leaving.leaveAtFirstBytes) leave();
      });
      response.on("end", end);
      response.on("error", (error) => (left ? end() : reject(error)));
    });
    const leave = () => {
      left = true;
      sent.destroy();
      resolve({ status: 0, text: "" });
    };
    sent.on("error", (error) => {
      if (!left) reject(error);
    });
    if (leaving.leaveAfterMs !== undefined) setTimeout(leave, leaving.leaveAfterMs);
    sent.end(body);
  });
}

/** Sends bytes over a connection of its own, waits a moment, and goes. */
function hangUp(target: Target, bytes: string): Promise<void> {
  const { hostname, port } = new URL(target.url);
  return new Promise((resolve, reject) => {
    const socket = connect(Number(port), hostname, () => {
      socket.write(bytes);
      setTimeout(() => socket.destroy(), 20);
    });
    socket.resume();
    socket.on("close", () => resolve());
    socket.on("error", (error: NodeJS.ErrnoException) => (error.code === "ECONNRESET" ? resolve() : reject(error)));
  });
}

const unexpected = (path: string, status: number, text: string) => new Error(`${path} answered ${status}: ${text.slice(0, 300)}`);
