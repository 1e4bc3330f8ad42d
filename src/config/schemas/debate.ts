/**
 * `remora debate`, `remora questions`, `debate()`, `makeQuestions()`: who debates what with which documents, and which questions are made from
 * documents.
 */
import { z } from "zod";
import { count, option, section, share, text, textOrList } from "../option.ts";
import { evalSchema } from "./eval.ts";
import { sessionSchema } from "./generate.ts";
import { askSchema, indexSchema } from "./retrieval.ts";
import { deviceOptions } from "./shared.ts";

const {
  question: _,
  showPrompt: _1,
  rows: _2,
  rowsOut: _3,
  unsupported: _4,
  columns: _5,
  force: _6,
  index: _7,
  model: _8,
  adapter: _9,
  template: _10,
  instructions: _11,
  ...asking
} = askSchema.shape;

const { questions, columns, encoding, sheet, header, maxQuestions } = evalSchema.shape;

/** What asking models by name costs, and who says yes. */
const pricing = section("Price", {
  prices: option(
    z.record(text(), z.string().regex(/^\d+(\.\d+)?\/\d+(\.\d+)?$/, { error: "expected input/output, such as 0.5/1.5" })).optional(),
    {
      description: "US dollars a million tokens by debater's name (or judge, writer): judge=2.5/10",
      derived: "none: tokens alone are told",
      placeholder: "name=in/out...",
    },
  ),
  dryRun: option(z.boolean().default(false), { description: "Say what it would cost at most, and stop" }),
  yes: option(z.boolean().default(false), {
    description: "Start without asking; needed where remote models are asked and nobody can answer",
  }),
});

export const debateSchema = z.strictObject({
  ...section("Questions", { questions, columns, encoding, sheet, header, maxQuestions }),
  ...section("Debate", {
    debater: option(textOrList(), {
      description: "name=model,stance=…,docs=index|none,web=on|off,temperature=x,seed=n; once for each, two at least",
      more: "Only model is needed; models are named as for `remora eval`: a folder, openai-compatible:http://host/v1#model, mistral:name … Commas inside a stance are part of it.",
      placeholder: "debater",
    }),
    judge: option(text().optional(), {
      description: "Model that decides after each round: an answer, another round, or no consensus",
      derived: "nobody: all rounds are held and the debaters' agreement decides",
      placeholder: "model",
    }),
    rounds: option(count().max(10).default(2), { description: "Rounds at most; the judge may end earlier", placeholder: "n" }),
    index: option(text().optional(), {
      description: "Index of documents for debaters without docs of their own",
      derived: "none",
      placeholder: "folder",
    }),
    instructions: option(text().optional(), {
      description: "What every debater is told besides: length, tone, format",
      derived: "nothing",
      placeholder: "text",
    }),
    concurrency: option(count().max(64).default(4), { description: "Questions debated at once", placeholder: "n" }),
  }),
  ...section("Output", {
    out: option(text().default("debate"), {
      description:
        "Folder of transcript.jsonl, old-answers.jsonl (for eval), train.jsonl and cached answers; what is there is not asked again",
      placeholder: "folder",
    }),
    minConfidence: option(share().default(0.5), {
      description: "Answers below this do not become training rows",
      placeholder: "x",
    }),
  }),
  ...pricing,
  ...asking,
  maxTokens: option(count().default(200), { description: "Tokens of a statement or verdict at most", placeholder: "n" }),
});

const { temperature, seed, maxTokens } = sessionSchema.shape;
const { chunkTokens, overlapTokens, textColumns } = indexSchema.shape;

export const questionsSchema = z.strictObject({
  ...section("Documents", {
    documents: option(textOrList(), {
      description: "An index, or files and folders; also as plain words",
      placeholder: "paths...",
    }),
    chunkTokens,
    overlapTokens,
    textColumns,
    encoding: indexSchema.shape.encoding,
  }),
  ...section("Questions", {
    goal: option(textOrList().optional(), {
      description: 'What questions should serve, once for each: "goal A: show that members cooperate"',
      derived: "none: facts of any kind",
      placeholder: "text",
    }),
    count: option(count().default(20), { description: "Questions to keep, goals taking turns; twins come on top", placeholder: "n" }),
    model: option(text(), { description: "Model that writes questions and answers them for the check", placeholder: "model" }),
    checker: option(text().optional(), {
      description: "Model that answers for the check instead",
      derived: "the model that writes",
      placeholder: "model",
    }),
    attempts: option(count().optional(), {
      description: "Passages tried at most",
      derived: "four times count",
      placeholder: "n",
    }),
    minAnswered: option(share().default(0.5), {
      description: "A question stays when the answer from its passage reaches this F1 with the expected one",
      placeholder: "x",
    }),
    maxTrivial: option(share().default(0.5), {
      description: "A question goes when the answer without its passage reaches this F1",
      placeholder: "x",
    }),
    twins: option(z.boolean().default(true), { description: "Each question gets a twin that its passage cannot answer" }),
    embedder: option(text().optional(), {
      description: "Encoder that finds questions of equal meaning",
      derived: "none: equal character sequences (chrF) alone",
      placeholder: "model",
    }),
  }),
  ...section("Output", {
    out: option(text().default("questions"), {
      description: "Folder of questions.jsonl (for eval and debate), rejected.jsonl, report.json and cached answers",
      placeholder: "folder",
    }),
  }),
  ...pricing,
  ...section("Sampling", {
    maxTokens: option(maxTokens.default(120), { description: "Tokens of an answer at most", placeholder: "n" }),
    temperature: option(z.number().min(0).default(0), { description: temperature.meta()!.description!, placeholder: "x" }),
    seed,
  }),
  ...section("Model", {
    base: sessionSchema.shape.base,
    compute: sessionSchema.shape.compute,
    contextLength: sessionSchema.shape.contextLength,
    stop: sessionSchema.shape.stop,
    ...deviceOptions,
  }),
});

export type DebateConfigInput = z.input<typeof debateSchema>;
export type DebateConfig = z.output<typeof debateSchema>;
export type QuestionsConfigInput = z.input<typeof questionsSchema>;
export type QuestionsConfig = z.output<typeof questionsSchema>;
