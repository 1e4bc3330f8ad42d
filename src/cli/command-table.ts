/** All commands by name, in the order of a user's journey. Only the one that is called is loaded. */
import type { Command } from "./command.ts";

export interface CommandEntry {
  name: string;
  summary: string;
  load(): Promise<{ command: Command }>;
}

export const COMMANDS: readonly CommandEntry[] = [
  { name: "demo", summary: "Tune the small model that ships with remora: offline, in minutes", load: () => import("./commands/demo.ts") },
  { name: "doctor", summary: "What this machine offers, and whether the kernels are right", load: () => import("./commands/doctor.ts") },
  { name: "data preview", summary: "Show exactly which tokens of your rows are trained", load: () => import("./commands/data-preview.ts") },
  {
    name: "data stats",
    summary: "Lengths, duplicates, cut rows, and how full the blocks are",
    load: () => import("./commands/data-stats.ts"),
  },
  {
    name: "data tokenize",
    summary: "Turn a corpus into a token file, for pretraining",
    load: () => import("./commands/data-tokenize.ts"),
  },
  { name: "plan", summary: "Memory and time of a run, from shapes alone", load: () => import("./commands/plan.ts") },
  { name: "train", summary: "Tune a model: LoRA, QLoRA or all weights", load: () => import("./commands/train.ts") },
  { name: "pretrain", summary: "Train all weights on token files, from nothing or on", load: () => import("./commands/pretrain.ts") },
  { name: "generate", summary: "Ask a model, with or without an adapter", load: () => import("./commands/generate.ts") },
  { name: "chat", summary: "Talk with a model", load: () => import("./commands/chat.ts") },
  { name: "push", summary: "Publish a model or an adapter on the Hugging Face Hub", load: () => import("./commands/push.ts") },
  { name: "pull", summary: "Fetch a model from the Hugging Face Hub into the cache", load: () => import("./commands/pull.ts") },
  {
    name: "index",
    summary: "Make documents searchable: full text, and vectors where there is an encoder",
    load: () => import("./commands/index-documents.ts"),
  },
  { name: "ask", summary: "Answer a question from indexed documents, with sources", load: () => import("./commands/ask.ts") },
  {
    name: "eval",
    summary: "Compare variants on the same questions: did tuning help, did documents?",
    load: () => import("./commands/eval.ts"),
  },
  {
    name: "report",
    summary: "The page of a comparison, with your notes or beside an earlier run",
    load: () => import("./commands/report.ts"),
  },
  {
    name: "questions",
    summary: "Make questions from documents, each checked, with an unanswerable twin",
    load: () => import("./commands/questions.ts"),
  },
  {
    name: "debate",
    summary: "Let models debate questions until a judge finds an answer, or none",
    load: () => import("./commands/debate.ts"),
  },
  { name: "merge", summary: "Save a tuned model for others, proven: 16-bit, NF4, GGUF", load: () => import("./commands/merge.ts") },
  { name: "serve", summary: "Answer over HTTP, in OpenAI's words", load: () => import("./commands/serve.ts") },
];
