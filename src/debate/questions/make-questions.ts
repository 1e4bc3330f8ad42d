/**
 * Documents → questions toward goals: written by a model, checked by answering them with their passage and without it, freed of duplicates, each
 * with an unanswerable twin. What is refused is named with its reason and its figures; every answer is cached, so a stopped run goes on for free.
 */
import { join } from "node:path";
import { askAll, type NamedModel } from "../../asking/named-model.ts";
import { openNamedModel } from "../../asking/open-named-model.ts";
import { parseConfig } from "../../config/parse.ts";
import { type QuestionsConfig, type QuestionsConfigInput, questionsSchema } from "../../config/schemas/debate.ts";
import { sessionSchema } from "../../config/schemas/generate.ts";
import { openPassages } from "../../engine/open-passages.ts";
import { CancelledError } from "../../errors/cancelled-error.ts";
import { randomStream } from "../../evaluation/statistics/random-stream.ts";
import type { OpenModel } from "../open-speakers.ts";
import { Candidates } from "./candidates.ts";
import { Duplicates } from "./duplicates.ts";
import { type Goal, parseGoals } from "./goal.ts";
import { attemptsOf } from "./price-questions.ts";
import { QuestionLog } from "./question-log.ts";
import type { QuestionsEvent, QuestionsReport } from "./question-record.ts";
import { addTwins, checkQuestions, type StepContext, writeQuestions } from "./question-steps.ts";

export interface QuestionsOptions {
  readonly onEvent?: (event: QuestionsEvent) => void;
  readonly signal?: AbortSignal;
  /** @default by name, with answers cached in `out` */
  readonly openModel?: OpenModel;
}

/** @throws RemoraError; CancelledError when the signal aborts: what was kept is written */
export async function makeQuestions(input: QuestionsConfigInput, options: QuestionsOptions = {}): Promise<QuestionsReport> {
  const config = parseConfig(questionsSchema, input, "Configuring remora questions");
  const { signal, onEvent = () => {}, openModel = namedModels(config) } = options;
  const goals = parseGoals(config.goal === undefined ? [] : [config.goal].flat());
  const opened = await openPassages(config);
  const { passages, failures } = opened;
  const duplicates = new Duplicates(opened.embedder);
  const start = { passages: passages.length, duplicates: duplicates.method, failures };
  onEvent({ event: "questions-start", goals: goals.map(({ name }) => name), ...start });
  const models: NamedModel[] = [];
  const log = new QuestionLog(config, start, onEvent);
  try {
    log.makeFolder();
    models.push(await openModel(config.model));
    if (config.checker !== undefined && config.checker !== config.model) models.push(await openModel(config.checker));
    const context = { config, log, duplicates, passages, ask: askerOf(config, signal), random: randomStream(config.seed), signal };
    await makeBatches(config, goals, models[0]!, models.at(-1)!, context);
  } finally {
    for (const model of models) await model.close();
    await opened.close();
    if (models.length > 0) await log.write();
  }
  return log.report();
}

/** Batch by batch, until enough is kept, the attempts are spent, or no passage is left. */
async function makeBatches(
  config: QuestionsConfig,
  goals: readonly Goal[],
  writer: NamedModel,
  checker: NamedModel,
  context: StepContext,
): Promise<void> {
  const { log } = context;
  const candidates = new Candidates(goals, context.passages);
  const keptOf = (goal: Goal) => log.kept.filter(({ category }) => category === goal.name).length;
  const attempts = attemptsOf(config);
  while (log.kept.length < config.count && log.tried < attempts) {
    const wanted = Math.min(writer.concurrency, config.count - log.kept.length, attempts - log.tried);
    const batch = candidates.next(wanted, keptOf);
    if (batch.length === 0) return;
    log.tried += batch.length;
    const written = await writeQuestions(batch, writer, context);
    const kept = await checkQuestions(written, checker, context);
    if (config.twins) await addTwins(kept, writer, checker, context);
  }
}

function askerOf(config: QuestionsConfig, signal: AbortSignal | undefined): StepContext["ask"] {
  const { maxTokens, temperature, seed, stop } = config;
  const settings = { maxTokens, temperature, seed, ...(stop !== undefined && { stop: [stop].flat() }) };
  return async (model, requests) => {
    if (signal?.aborted) throw new CancelledError("Making questions");
    const asked = requests.map((request) => ({ ...request, settings }));
    const answers = await askAll(model, asked, signal);
    return answers.map((answer) => (answer instanceof Error ? answer : answer.text.trim()));
  };
}

function namedModels(config: QuestionsConfig): OpenModel {
  const local = Object.fromEntries(
    Object.keys(sessionSchema.shape).flatMap((name) => {
      const value = (config as Record<string, unknown>)[name];
      return value === undefined ? [] : [[name, value]];
    }),
  );
  return (name) => openNamedModel(name, { cache: join(config.out, "answers"), local });
}
