/**
 * `remora generate`, `remora chat` and `openModel()`: a model, how to sample, and what to ask.
 */
import { z } from "zod";
import { count, option, positive, section, share, text, textOrList } from "../option.ts";
import {
  adapterOption,
  columnsOption,
  constantsOption,
  deviceOptions,
  modelOptions,
  readingOptions,
  seedOption,
  templateOption,
} from "./shared.ts";

const sampling = section("Sampling", {
  maxTokens: option(count().default(512), { description: "Tokens of an answer at most", placeholder: "n" }),
  greedy: option(z.boolean().default(false), { description: "Always the likeliest token; the same as temperature 0" }),
  temperature: option(z.number().min(0).default(0.7), { description: "Flattens or sharpens the choice; 0 is greedy", placeholder: "x" }),
  topK: option(count(0).default(0), { description: "Only the k likeliest tokens; 0 is off", placeholder: "k" }),
  topP: option(positive().max(1).default(1), { description: "Only the likeliest tokens that sum to p; 1 is off", placeholder: "p" }),
  minP: option(share().default(0), { description: "Only tokens at least p times as likely as the likeliest; 0 is off", placeholder: "p" }),
  repetitionPenalty: option(positive().default(1), { description: "Above 1 discourages tokens already seen; 1 is off", placeholder: "x" }),
  stop: option(textOrList().optional(), {
    description: "Texts that end the answer, not printed",
    derived: "the model's end-of-text tokens alone",
    placeholder: "text...",
  }),
  seed: seedOption,
});

const session = section("Model", {
  ...modelOptions,
  ...adapterOption,
  template: option(templateOption, {
    description: "instruct, instruct-context, chat, raw, or a file (Jinja, or text with {})",
    derived: "the one the adapter was trained with, else the model's own chat template, else raw",
    placeholder: "template",
  }),
  contextLength: option(count(16).optional(), {
    description: "Tokens of prompt and answer together",
    derived: "the model's own limit, at most 8,192",
    placeholder: "tokens",
  }),
  ...deviceOptions,
});

/** How many are answered together. */
const batching = section("Batching", {
  slots: option(count().max(1024).optional(), {
    description: "Answers at once; more requests wait in line",
    derived: "as many as are asked in one call, at most 8; `remora serve`: 32",
    placeholder: "n",
  }),
  cacheTokens: option(count(32).optional(), {
    description: "Tokens of the key/value cache, all answers together",
    derived: "what the requests need; with slots: the context length, or 1,024 a slot when that is more",
    more: "A request waits until the cache has room for its prompt and its longest answer.",
    placeholder: "tokens",
  }),
});

/** What `openModel()` takes. */
export const sessionSchema = z.strictObject({ ...session, ...sampling, ...batching });

const megabyte = 2 ** 20;

export const serveSchema = z.strictObject({
  ...section("Server", {
    host: option(text().default("127.0.0.1"), {
      description: "Address to listen on; 0.0.0.0 for every network, with an API key then",
      placeholder: "address",
    }),
    port: option(z.int().min(0).max(65535).default(8000), { description: "Port; 0 takes a free one", placeholder: "n" }),
    name: option(text().optional(), { description: "Name of the model in the API", derived: "the model as given", placeholder: "name" }),
    embedder: option(text().optional(), {
      description: "Encoder for /v1/embeddings: a Hugging Face folder, a GGUF file, or owner/name",
      derived: "none: embeddings are refused",
      placeholder: "model",
    }),
    apiKeyEnv: option(text().default("REMORA_API_KEY"), {
      description: "Environment variable that holds the API key; unset means no key is asked for",
      placeholder: "NAME",
    }),
    maxBodyBytes: option(count().default(4 * megabyte), { description: "Longest request body", placeholder: "bytes" }),
    maxWaiting: option(count(0).default(256), {
      description: "Requests in line beyond the slots; more are refused with 429",
      placeholder: "n",
    }),
    timeoutSeconds: option(positive().default(600), { description: "Longest time of one request, waiting included", placeholder: "s" }),
    drainSeconds: option(count(0).default(30), {
      description: "On SIGTERM or Ctrl-C, how long running answers may finish",
      placeholder: "s",
    }),
  }),
  ...session,
  ...sampling,
  ...batching,
});

export const chatSchema = z.strictObject({
  ...session,
  system: option(text().optional(), { description: "System message", derived: "none", placeholder: "text" }),
  ...sampling,
});

const asking = section("What to ask", {
  prompt: option(text().optional(), {
    description: "What to ask; also as plain words after the flags",
    derived: "none",
    placeholder: "text",
  }),
  instruction: option(text().optional(), { description: "The template's instruction", derived: "none", placeholder: "text" }),
  input: option(text().optional(), { description: "The template's input", derived: "none", placeholder: "text" }),
  context: option(text().optional(), { description: "The template's context", derived: "none", placeholder: "text" }),
  system: option(text().optional(), { description: "System message", derived: "none", placeholder: "text" }),
  rows: option(text().optional(), {
    description: "A file of rows to answer, all formats of training data",
    derived: "none",
    placeholder: "path",
  }),
  columns: columnsOption,
  constants: constantsOption,
  ...readingOptions,
  out: option(text().optional(), { description: "Where answers to rows go, as JSONL", derived: "standard output", placeholder: "path" }),
  batchSize: option(count().default(8), { description: "Rows answered at once", placeholder: "n" }),
  force: option(z.boolean().default(false), { description: "Replace `out` when it exists" }),
});

export const generateSchema = z.strictObject({ ...asking, ...session, ...sampling });

export type SessionConfigInput = z.input<typeof sessionSchema>;
export type SessionConfig = z.output<typeof sessionSchema>;
export type GenerateConfigInput = z.input<typeof generateSchema>;
export type GenerateConfig = z.output<typeof generateSchema>;
