/**
 * `remora eval`, `remora report`, `evaluate()`: which questions, which variants answer them, with what documents, who judges and translates.
 */
import { z } from "zod";
import { count, option, section, text, textOrList } from "../option.ts";
import { askSchema } from "./retrieval.ts";
import { readingOptions } from "./shared.ts";

/** Options of retrieval that a comparison shares with `remora ask`; the index itself is optional here. */
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
  ...asking
} = askSchema.shape;

const price = z.string().regex(/^\d+(\.\d+)?\/\d+(\.\d+)?$/, { error: "expected two prices such as 0.15/0.60" });

const outOption = option(text().default("eval"), {
  description: "Folder of answers, report.html, report.json and answers.csv; what is answered there is not asked again",
  placeholder: "folder",
});

const reporting = section("Report", {
  title: option(text().optional(), { description: "Title of the page", derived: "the questions' file", placeholder: "text" }),
  language: option(z.enum(["en", "ja"]).optional(), {
    description: "Language of the page's own words: English or Japanese; what models and users wrote stays as it is",
    derived: "that of most questions; for a report made again, the one it has",
  }),
  notes: option(text().optional(), {
    description: "Thumbs and notes that the page saved (notes.json)",
    derived: "notes.json in `out`, when it is there",
    placeholder: "path",
  }),
  compare: option(text().optional(), {
    description: "Folder of an earlier comparison: what got better, what got worse",
    derived: "none",
    placeholder: "folder",
  }),
});

export const evalSchema = z.strictObject({
  ...section("Questions", {
    questions: option(textOrList(), {
      description: "JSONL, JSON, CSV, TSV, Parquet or XLSX with a column of questions; also as plain words",
      placeholder: "paths...",
    }),
    columns: option(z.record(text(), text()).optional(), {
      description: "Columns by name: question, reference, oldAnswer, category, answerable, id, context",
      derived: "columns that already have these names, or common ones",
      placeholder: "field=column...",
    }),
    ...readingOptions,
    maxQuestions: option(count().optional(), { description: "Only the first n questions", derived: "all", placeholder: "n" }),
  }),
  ...section("Variants", {
    variants: option(textOrList().optional(), {
      description: "What is compared, the first is the baseline: base, tuned, name=model for others by name, each also with +docs",
      more: "Such as `base,tuned+docs,gpt=openai-compatible:http://host/v1#model,gpt+docs`. Names: docs/guides/serving.md.",
      derived: "base; tuned, when there is an adapter; both with +docs, when there is an index",
      placeholder: "name...",
    }),
    index: option(text().optional(), {
      description: "Index of documents, from remora index, for variants with +docs",
      derived: "none",
      placeholder: "folder",
    }),
    model: option(text().optional(), {
      description: "The model called base: as for `remora generate`, or by name (openai-compatible:http://host/v1#model, mistral:name …)",
      derived: "none: then every variant names its own",
      placeholder: "model",
    }),
    prices: option(z.record(text(), price).optional(), {
      description: "US dollars for a million tokens of prompts/answers, by model: gpt=0.15/0.60",
      derived: "no cost is shown",
      more: "Tokens are those that the server counts. What an answer cost stands beside it, and its mean in the table.",
      placeholder: "name=prompt/answer...",
    }),
    concurrency: option(count().optional(), { description: "Questions at once", derived: "8 here, 4 behind an address", placeholder: "n" }),
  }),
  ...asking,
  ...section("Judging", {
    judge: option(text().optional(), {
      description: "Model that compares answers in pairs, each pair twice with positions swapped",
      derived: "nobody",
      placeholder: "model",
    }),
    translator: option(text().optional(), {
      description: "Model that puts questions and answers into the other language (Japanese, English)",
      derived: "nobody: each text stays as it is",
      placeholder: "model",
    }),
    noAnswer: option(z.enum(["phrases", "judge"]).default("phrases"), {
      description: "Who says what is no answer: a list of phrases, or the judge, asked about each answer",
    }),
    refusals: option(text().optional(), {
      description: "File of phrases that count as no answer, one a line, instead of the built-in list",
      derived: "the built-in phrases in English and Japanese",
      placeholder: "path",
    }),
    similarity: option(text().optional(), {
      description: "Encoder whose cosine of answer and reference is a figure of its own",
      derived: "none",
      placeholder: "model",
    }),
  }),
  ...reporting,
  out: outOption,
});

export const reportSchema = z.strictObject({
  ...section("Report", {
    folder: option(text().default("eval"), {
      description: "Folder of a comparison, as `remora eval` wrote it; also as a plain word",
      placeholder: "folder",
    }),
    ...reporting,
  }),
});

export type EvalConfigInput = z.input<typeof evalSchema>;
export type EvalConfig = z.output<typeof evalSchema>;
export type ReportConfigInput = z.input<typeof reportSchema>;
