/**
 * Debates from questions to old answers: models and documents opened once, a few questions at a time, every finished debate a line of
 * `transcript.jsonl` and every answer in the cache, so that stopping loses at most what is being said.
 */
import { createHash } from "node:crypto";
import { join } from "node:path";
import { modelIdentity } from "../asking/model-identity.ts";
import type { NamedModel } from "../asking/named-model.ts";
import { openNamedModel } from "../asking/open-named-model.ts";
import { parseConfig } from "../config/parse.ts";
import type { AskSettings } from "../config/reports.ts";
import { type DebateConfig, type DebateConfigInput, debateSchema } from "../config/schemas/debate.ts";
import { sessionSchema } from "../config/schemas/generate.ts";
import { sourcesFingerprint } from "../engine/open-sources.ts";
import { CancelledError } from "../errors/cancelled-error.ts";
import { type Question, type Questions, readQuestions } from "../evaluation/eval/questions.ts";
import { RecordLog } from "../evaluation/eval/record-log.ts";
import { makeFolder } from "../formats/make-folder.ts";
import type { DebateRecord, Turn, Verdict } from "./debate-record.ts";
import { evalRow, trainingRow } from "./debate-rows.ts";
import { type AnswerWorth, debateWorth } from "./debate-worth.ts";
import { type Debater, parseDebaters } from "./debater.ts";
import { holdDebate } from "./hold-debate.ts";
import { type OpenModel, openSpeakers, placesOf } from "./open-speakers.ts";
import type { Price } from "./price.ts";
import { priceDebate } from "./price-debate.ts";
import { writeLines } from "./write-lines.ts";

export type DebateEvent =
  | { event: "debate-start"; questions: number; kept: number; problems: Questions["problems"] }
  | { event: "turn-end"; id: string; turn: Turn }
  | { event: "verdict-end"; id: string; verdict: Verdict }
  | { event: "question-end"; id: string; record: DebateRecord; done: number; all: number }
  | { event: "web-problem"; url: string; problem: string };

export interface DebateReport {
  readonly files: { readonly transcript: string; readonly oldAnswers: string; readonly train: string };
  readonly questions: number;
  /** By what became of them. */
  readonly answered: number;
  readonly noConsensus: number;
  readonly failed: number;
  /** Confidences that the guard lowered. */
  readonly lowered: number;
  readonly trainingRows: number;
  readonly invented: number;
  readonly unreadVerdicts: number;
  readonly promptTokens: number;
  readonly tokens: number;
  readonly worth: readonly AnswerWorth[];
  readonly problems: Questions["problems"];
}

export interface DebateOptions {
  readonly onEvent?: (event: DebateEvent) => void;
  readonly signal?: AbortSignal;
  /** @default by name, with answers cached in `out` */
  readonly openModel?: OpenModel;
}

/** Calls, tokens and money at most. Loads no model and asks nobody. */
export async function debatePrice(input: DebateConfigInput): Promise<Price> {
  const config = parseConfig(debateSchema, input, "Configuring remora debate");
  const debaters = parseDebaters([config.debater].flat());
  const { questions } = await questionsOf(config);
  const chunkTokens: number[] = [];
  for (const debater of debaters) chunkTokens.push((await sourcesFingerprint({ ...config, ...placesOf(debater, config) })).chunkTokens);
  return priceDebate(config, debaters, chunkTokens, questions);
}

/** @throws RemoraError; CancelledError when the signal aborts: finished debates are kept in `out`, and their rows are written */
export async function debate(input: DebateConfigInput, options: DebateOptions = {}): Promise<DebateReport> {
  const config = parseConfig(debateSchema, input, "Configuring remora debate");
  const debaters = parseDebaters([config.debater].flat());
  const { questions, problems } = await questionsOf(config);
  makeFolder(config.out);
  using log = new RecordLog<DebateRecord>(join(config.out, "transcript.jsonl"), ({ key }) => key);
  const rules = await identityOf(config, debaters);
  const keyOf = ({ id, question }: Question) => JSON.stringify([rules, id, question]);
  const open = questions.filter((question) => (log.get(keyOf(question))?.status ?? "failed") === "failed");
  options.onEvent?.({ event: "debate-start", questions: questions.length, kept: questions.length - open.length, problems });
  const records = () => questions.flatMap((question) => log.get(keyOf(question)) ?? []);
  try {
    if (open.length > 0) await debateAll(config, debaters, open, questions.length, keyOf, log, options);
  } finally {
    await writeRows(config, records());
  }
  return reportOf(config, records(), problems);
}

async function debateAll(
  config: DebateConfig,
  debaters: readonly Debater[],
  open: readonly Question[],
  all: number,
  keyOf: (question: Question) => string,
  log: RecordLog<DebateRecord>,
  { signal, onEvent = () => {}, openModel = namedModels(config, debaters) }: DebateOptions,
): Promise<void> {
  const opened = await openSpeakers(debaters, config, openModel, (url, problem) => onEvent({ event: "web-problem", url, problem }));
  try {
    let done = all - open.length;
    let failed = false;
    const next = open.values();
    const work = async () => {
      for (const question of next) {
        if (failed) return;
        if (signal?.aborted) throw new CancelledError("Debating");
        const { id } = question;
        const record = await holdDebate(question, opened.speakers, {
          key: keyOf(question),
          rounds: config.rounds,
          judge: opened.judge,
          settings: settingsOf(config),
          instructions: config.instructions,
          signal,
          onTurn: (turn) => onEvent({ event: "turn-end", id, turn }),
          onVerdict: (verdict) => onEvent({ event: "verdict-end", id, verdict }),
          now: () => performance.now(),
        });
        log.add(record);
        onEvent({ event: "question-end", id, record, done: ++done, all });
      }
    };
    // What concerns all questions (an index that breaks, a full disk) stops all; debates under way are finished and kept.
    const stopping = () =>
      work().catch((error: unknown) => {
        failed = true;
        throw error;
      });
    const workers = await Promise.allSettled(Array.from({ length: Math.min(config.concurrency, open.length) }, stopping));
    for (const worker of workers) if (worker.status === "rejected") throw worker.reason;
  } finally {
    await opened.close();
  }
}

function questionsOf(config: DebateConfig): Promise<Questions> {
  return readQuestions([config.questions].flat(), { ...config, limit: config.maxQuestions });
}

/** Of each request. What only our own models know (minP, repetitionPenalty) is an option of their sessions; what is off is not sent. */
function settingsOf({ maxTokens, temperature, greedy, topK, topP, seed, stop }: DebateConfig): AskSettings {
  return {
    maxTokens,
    temperature: greedy ? 0 : temperature,
    seed,
    ...(topK > 0 && { topK }),
    ...(topP < 1 && { topP }),
    ...(stop !== undefined && { stop: [stop].flat() }),
  };
}

function namedModels(config: DebateConfig, debaters: readonly Debater[]): OpenModel {
  const local = Object.fromEntries(
    Object.keys(sessionSchema.shape).flatMap((name) => {
      const value = (config as Record<string, unknown>)[name];
      return value === undefined ? [] : [[name, value]];
    }),
  );
  const cache = join(config.out, "answers");
  return (name): Promise<NamedModel> => {
    const speakers = debaters.filter(({ model }) => model === name).length;
    return openNamedModel(name, { cache, local, concurrency: Math.min(8, config.concurrency * Math.max(1, speakers)) });
  };
}

/** Everything that may change a debate, besides its question. */
async function identityOf(config: DebateConfig, debaters: readonly Debater[]): Promise<string> {
  const {
    rounds,
    judge,
    instructions,
    offline,
    minP,
    repetitionPenalty,
    search,
    limit,
    candidates,
    rerank,
    viewpoints,
    minSimilarity,
    minCoverage,
  } = config;
  const people: unknown[] = [];
  for (const debater of debaters) {
    const { fingerprint } = await sourcesFingerprint({ ...config, ...placesOf(debater, config) });
    people.push([debater, await modelIdentity(debater.model, offline), fingerprint]);
  }
  const retrieving = [search, limit, candidates, rerank, viewpoints, minSimilarity, minCoverage];
  const judging = judge === undefined ? null : await modelIdentity(judge, offline);
  const everything = JSON.stringify([people, judging, rounds, instructions ?? "", settingsOf(config), minP, repetitionPenalty, retrieving]);
  return createHash("sha256").update(everything).digest("hex").slice(0, 16);
}

async function writeRows(config: DebateConfig, records: readonly DebateRecord[]): Promise<void> {
  await writeLines(join(config.out, "old-answers.jsonl"), records.map(evalRow));
  await writeLines(
    join(config.out, "train.jsonl"),
    records.flatMap((record) => trainingRow(record, config.minConfidence) ?? []),
  );
}

function reportOf(config: DebateConfig, records: readonly DebateRecord[], problems: Questions["problems"]): DebateReport {
  const count = (test: (record: DebateRecord) => boolean) => records.filter(test).length;
  const turns = records.flatMap((record) => record.turns);
  const verdicts = records.flatMap((record) => record.verdicts);
  const sum = (pick: (call: { promptTokens: number; tokens: number }) => number) =>
    [...turns, ...verdicts].reduce((total, call) => total + pick(call), 0);
  return {
    files: {
      transcript: join(config.out, "transcript.jsonl"),
      oldAnswers: join(config.out, "old-answers.jsonl"),
      train: join(config.out, "train.jsonl"),
    },
    questions: records.length,
    answered: count(({ status }) => status === "answered"),
    noConsensus: count(({ status }) => status === "no-consensus"),
    failed: count(({ status }) => status === "failed"),
    lowered: count(({ guard }) => guard?.lowered !== undefined),
    trainingRows: count((record) => trainingRow(record, config.minConfidence) !== undefined),
    invented: turns.reduce((total, { invented }) => total + invented.length, 0),
    unreadVerdicts: verdicts.filter(({ problem }) => problem !== undefined).length,
    promptTokens: sum(({ promptTokens }) => promptTokens),
    tokens: sum(({ tokens }) => tokens),
    worth: debateWorth(records),
    problems,
  };
}
