/**
 * `remora index`, `remora ask` and `openEmbedder()`: which documents, how they are cut, what makes vectors of them, and how a question is answered
 * from them.
 */
import { z } from "zod";
import { count, option, positive, section, share, text, textOrList } from "../option.ts";
import { sessionSchema } from "./generate.ts";
import { COMPUTE_DTYPES, columnsOption, deviceOptions } from "./shared.ts";
import { webOptions } from "./web.ts";

const POOLINGS = ["auto", "mean", "cls"] as const;
const RERANKERS = ["none", "mmr", "viewpoints", "remote"] as const;
const SEARCH_MODES = ["auto", "text", "vectors", "both"] as const;

const url = () => z.string().regex(/^https?:\/\/\S+$/, { error: "expected an address that begins with http:// or https://" });

/** What `openEmbedder()` takes. */
export const embedderSchema = z.strictObject({
  model: option(text(), {
    description: "Encoder: a Hugging Face folder, a GGUF file, or owner/name; with url the endpoint's name of it",
    placeholder: "model",
  }),
  url: option(url().optional(), {
    description: "OpenAI-compatible endpoint up to /v1",
    derived: "none: the encoder runs here",
    placeholder: "url",
  }),
  pooling: option(z.enum(POOLINGS).default("auto"), { description: "How token rows become one vector" }),
  queryPrefix: option(z.string().optional(), {
    description: "Words in front of every question",
    derived: "what the encoder's files say",
    placeholder: "text",
  }),
  passagePrefix: option(z.string().optional(), {
    description: "Words in front of every passage",
    derived: "what the encoder's files say",
    placeholder: "text",
  }),
  compute: option(z.enum(COMPUTE_DTYPES).default("auto"), {
    description: "The dtype of activations; auto takes the fastest of the device",
  }),
  ...deviceOptions,
});

const embedding = section("Vectors", {
  embedder: option(text().optional(), {
    description: "Encoder that makes vectors: a Hugging Face folder, a GGUF file, owner/name, or none",
    derived: "the one that the index was made with; none for a new index, which then has full text alone",
    more: "BERT-type encoders run on our own backend: multilingual-e5, bge, MiniLM. With `embedderUrl` it is the endpoint's name of the model.",
    placeholder: "model",
  }),
  embedderUrl: option(url().optional(), {
    description: "OpenAI-compatible endpoint that makes the vectors, up to /v1",
    derived: "the one that the index was made with",
    more: "The key is read from REMORA_EMBEDDER_KEY and never written.",
    placeholder: "url",
  }),
  embedderPooling: option(z.enum(POOLINGS).default("auto"), {
    description: "How token rows become one vector; auto asks the encoder's files",
  }),
  queryPrefix: option(z.string().optional(), {
    description: "Words in front of every question before it is embedded",
    derived: "what the encoder's files say; `query: ` for e5",
    placeholder: "text",
  }),
  passagePrefix: option(z.string().optional(), {
    description: "Words in front of every chunk before it is embedded",
    derived: "what the encoder's files say; `passage: ` for e5",
    placeholder: "text",
  }),
  ...deviceOptions,
});

const indexOption = {
  index: option(text().default("remora-index"), {
    description: "The index: a folder, or an address of object storage that LanceDB reads (s3://, gs://, az://)",
    placeholder: "folder",
  }),
};

export const indexSchema = z.strictObject({
  ...section("Documents", {
    documents: option(textOrList().optional(), {
      description: "Files and folders: Markdown, text, HTML, PDF, DOCX, JSONL; with --web addresses too; also as plain words",
      derived: "none; something must be named, here or with --web-pages and --web-queries",
      placeholder: "paths...",
    }),
    ...indexOption,
    chunkTokens: option(count(16).default(256), {
      description: "Tokens of a chunk at most",
      more: "Counted by the embedder's tokenizer; without one by the rule of thumb in docs/guides/retrieval.md. An encoder's own limit wins when it is lower.",
      placeholder: "n",
    }),
    overlapTokens: option(count(0).default(32), {
      description: "Tokens that a chunk repeats from the one before, in whole sentences",
      placeholder: "n",
    }),
    textColumns: option(textOrList().optional(), {
      description: "Columns of JSONL rows that hold the text",
      derived: "text, content, body, contents, passage, or context",
      placeholder: "name...",
    }),
    encoding: option(text().optional(), {
      description: "Text encoding of the files, such as shift_jis",
      derived: "UTF-8, or what a byte-order mark says",
      placeholder: "name",
    }),
    rebuild: option(z.boolean().default(false), { description: "Forget what is there and index everything again" }),
  }),
  ...webOptions,
  ...section("Web", {
    webQueries: option(textOrList().optional(), {
      description: "What --web-search is asked; the found pages are indexed",
      derived: "nothing",
      placeholder: "text...",
    }),
  }),
  ...embedding,
});

const retrieving = section("Retrieval", {
  ...indexOption,
  search: option(z.enum(SEARCH_MODES).default("auto"), {
    description: "Full text, vectors, or both; auto is both where the index has vectors",
  }),
  limit: option(count().default(5), { description: "Sources given to the model", placeholder: "n" }),
  candidates: option(count().default(50), { description: "Chunks that each search hands to the reranker", placeholder: "n" }),
  rerank: option(z.enum(RERANKERS).default("none"), {
    description: "Order of the found chunks: none, mmr (unlike each other), viewpoints (speaks to any of yours), remote (a cross-encoder)",
  }),
  mmrBalance: option(share().default(0.7), { description: "mmr: 1 is relevance alone, 0 difference alone", placeholder: "x" }),
  viewpoints: option(textOrList().optional(), {
    description: "viewpoints: what to look from, such as cost, safety, history; a file with one a line works too",
    derived: "none",
    placeholder: "text...",
  }),
  rerankUrl: option(url().optional(), {
    description: "remote: address of a Cohere- or Jina-type rerank endpoint",
    derived: "none",
    placeholder: "url",
  }),
  rerankModel: option(text().optional(), {
    description: "remote: the endpoint's name of the model",
    derived: "none",
    placeholder: "model",
  }),
  minSimilarity: option(z.number().min(-1).max(1).optional(), {
    description: "A source supports an answer from this cosine on",
    derived: "0.8 for e5, whose cosines are all high, else 0.35",
    more: "When no source reaches this or `minCoverage`, the answer is that nothing is known, and no model is asked.",
    placeholder: "x",
  }),
  minCoverage: option(share().default(0.4), {
    description: "A source supports an answer from this share of the question's content words on",
    placeholder: "x",
  }),
});

const { model: _model, ...answering } = sessionSchema.shape;

/** How models behind an address are asked. */
const remote = section("Remote models", {
  timeoutSeconds: option(positive().default(120), { description: "Longest time of one answer, all tries together", placeholder: "s" }),
  retries: option(count(0).default(2), { description: "Tries after the first", placeholder: "n" }),
});

export const askSchema = z.strictObject({
  question: option(text().optional(), {
    description: "What to ask; also as plain words after the flags",
    derived: "none",
    placeholder: "text",
  }),
  ...retrieving,
  instructions: option(text().optional(), {
    description: "What the model is told about sources and about not knowing",
    derived: "English or Japanese words, by the question; --show-prompt prints them",
    placeholder: "text",
  }),
  showPrompt: option(z.boolean().default(false), { description: "Print the whole prompt to stderr before the answer" }),
  rows: option(text().optional(), {
    description: "A file of questions (and answers) instead of one question",
    derived: "none",
    placeholder: "path",
  }),
  rowsOut: option(text().optional(), {
    description: "With rows: write training rows with their retrieved context to this JSONL file instead of asking a model",
    derived: "none",
    placeholder: "path",
  }),
  unsupported: option(z.enum(["drop", "keep", "refuse"]).default("drop"), {
    description: "Training rows that no source supports: drop them, keep them, or make their output the words for not knowing",
  }),
  columns: columnsOption,
  force: option(z.boolean().default(false), { description: "Replace `rowsOut` when it exists" }),
  model: option(text().optional(), {
    description: "Model that answers: as for `remora generate`, or by name (openai-compatible:http://host/v1#model, mistral:name …)",
    more: "Names: docs/guides/serving.md. Not needed with rowsOut.",
    derived: "none",
    placeholder: "model",
  }),
  ...answering,
  temperature: option(z.number().min(0).default(0), {
    description: "Flattens or sharpens the choice; 0 is greedy, best for facts",
    placeholder: "x",
  }),
  repetitionPenalty: option(positive().default(1), { description: "Above 1 discourages tokens already seen; 1 is off", placeholder: "x" }),
  ...remote,
  ...webOptions,
  ...embedding,
});

export type EmbedderConfigInput = z.input<typeof embedderSchema>;
export type EmbedderConfig = z.output<typeof embedderSchema>;
export type IndexConfigInput = z.input<typeof indexSchema>;
export type IndexConfig = z.output<typeof indexSchema>;
export type AskConfigInput = z.input<typeof askSchema>;
export type AskConfig = z.output<typeof askSchema>;
