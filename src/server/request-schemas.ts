/**
 * OpenAI's request bodies, as far as they can be honoured. Unknown fields are let through, because clients send what their vendor added last;
 * a known field that would change the answer and cannot be honoured is refused by name rather than ignored.
 */
import { z } from "zod";
import type { AskSettings } from "../config/reports.ts";
import { ApiError } from "../errors/api-error.ts";

/** Answers to one prompt in one request: beyond this a client can as well send several. */
const MAX_CHOICES = 16;
const MAX_STOPS = 16;
/** Prompts or texts of one request. */
const MAX_INPUTS = 2048;

const optional = <S extends z.ZodType>(schema: S) => schema.nullish().transform((value) => value ?? undefined);
const refused = (what: string) => ({ error: `${what}: this server cannot do that` });
/** Absent, or the value that changes nothing. */
const off = (what: string, ...values: unknown[]) =>
  z
    .unknown()
    .refine((value) => value == null || values.includes(value), refused(what))
    .optional();
const empty = (what: string) =>
  z
    .unknown()
    .refine((value) => value == null || Object.keys(value).length === 0, refused(what))
    .optional();

const sampling = {
  model: z.string().min(1),
  temperature: optional(z.number().min(0).max(2)),
  top_p: optional(z.number().gt(0).max(1)),
  top_k: optional(z.int().min(0)),
  min_p: optional(z.number().min(0).max(1)),
  repetition_penalty: optional(z.number().gt(0)),
  seed: optional(z.int().min(0).max(Number.MAX_SAFE_INTEGER)),
  stop: optional(z.union([z.string(), z.array(z.string()).max(MAX_STOPS)])),
  n: optional(z.int().min(1).max(MAX_CHOICES)),
  stream: optional(z.boolean()),
  stream_options: optional(z.object({ include_usage: optional(z.boolean()) })),
  frequency_penalty: off("frequency_penalty", 0),
  presence_penalty: off("presence_penalty", 0),
  logit_bias: empty("logit_bias"),
};

const part = z.object({ type: z.literal("text", { error: "expected parts of type text: this server reads text only" }), text: z.string() });
const message = z.object({
  role: z.enum(["system", "developer", "user", "assistant"]),
  content: z.union([z.string(), z.array(part), z.null()], { error: "expected text, or a list of parts of type text" }),
});

export const chatRequest = z.object({
  ...sampling,
  messages: z.array(message).min(1),
  max_tokens: optional(z.int().min(1)),
  max_completion_tokens: optional(z.int().min(1)),
  logprobs: optional(z.boolean()),
  top_logprobs: off("top_logprobs", 0),
  tools: empty("tools"),
  response_format: z
    .unknown()
    .refine((value) => value == null || (value as { type?: unknown }).type === "text", refused("response_format"))
    .optional(),
});

export const completionRequest = z.object({
  ...sampling,
  prompt: z.union([z.string(), z.array(z.string()).min(1).max(MAX_INPUTS)], {
    error: "expected text or a list of texts; token ids are not read",
  }),
  max_tokens: optional(z.int().min(1)),
  logprobs: optional(z.int().min(0).max(1)),
  echo: off("echo", false),
  suffix: off("suffix", ""),
  best_of: off("best_of", 1),
});

export const embeddingRequest = z.object({
  model: z.string().min(1),
  input: z.union([z.string().min(1), z.array(z.string().min(1)).min(1).max(MAX_INPUTS)], {
    error: "expected text or a list of texts that are not empty; token ids are not read",
  }),
  encoding_format: optional(z.enum(["float", "base64"])),
  dimensions: optional(z.int().min(1)),
});

export type ChatRequest = z.output<typeof chatRequest>;
export type CompletionRequest = z.output<typeof completionRequest>;

/** @throws ApiError 400 naming the field */
export function parseBody<S extends z.ZodType>(schema: S, text: string): z.output<S> {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    throw new ApiError(400, "invalid_json", "expected a JSON object as the body, found something else");
  }
  const result = schema.safeParse(value);
  if (result.success) return result.data;
  const issue = result.error.issues[0]!;
  const param = issue.path.map(String).join(".");
  throw new ApiError(400, "invalid_value", `${param || "body"}: ${issue.message}`, { param });
}

/** Without a seed every request draws its own; with one, choice `index` is always the same. */
export function settingsOf(request: ChatRequest | CompletionRequest, randomSeed: () => number, index: number): AskSettings {
  const longest = "messages" in request ? (request.max_completion_tokens ?? request.max_tokens) : request.max_tokens;
  const all = {
    maxTokens: longest,
    temperature: request.temperature,
    topP: request.top_p,
    topK: request.top_k,
    minP: request.min_p,
    repetitionPenalty: request.repetition_penalty,
    seed: request.seed === undefined ? randomSeed() : (request.seed + index) % Number.MAX_SAFE_INTEGER,
    stop: request.stop === undefined ? undefined : [request.stop].flat(),
    logprobs: request.logprobs !== undefined && request.logprobs !== false,
  };
  return Object.fromEntries(Object.entries(all).filter(([, value]) => value !== undefined));
}
