/**
 * A comparison from questions to report: every variant answers, model by model so that one is in memory at a time; answers are scored, judged
 * and translated where asked; the report says what helped. Everything that costs time is logged as it comes, so a stopped comparison goes on.
 */
import { basename, join } from "node:path";
import { parseConfig } from "../config/parse.ts";
import { type EvalConfig, type EvalConfigInput, evalSchema, type ReportConfigInput, reportSchema } from "../config/schemas/eval.ts";
import { type AskConfig, askSchema } from "../config/schemas/retrieval.ts";
import { openEmbedder } from "../engine/open-embedder.ts";
import { ConfigError } from "../errors/config-error.ts";
import { makeFolder } from "../formats/make-folder.ts";
import { packageVersion } from "../hub/shipped-models.ts";
import type { UnreadDocument } from "../retrieval/store/document-index.ts";
import type { AnswerRecord } from "./eval/answer-record.ts";
import { scoreAnswer } from "./eval/answer-scores.ts";
import { answerVariant, type EvalModel, type LoggedAnswer } from "./eval/answer-variant.ts";
import { indexedDocuments, type LoggedPage } from "./eval/index-documents-source.ts";
import { judgeAnswers, type LoggedVerdict } from "./eval/judge-answers.ts";
import { type JudgedSilence, judgeSilence, type LoggedSilence } from "./eval/judge-silence.ts";
import { modelJudge, modelTranslator } from "./eval/model-roles.ts";
import { type EvalModelName, openEvalModel } from "./eval/open-eval-model.ts";
import { type Question, type Questions, readQuestions } from "./eval/questions.ts";
import { RecordLog } from "./eval/record-log.ts";
import { similarities, similarityKey } from "./eval/similarity.ts";
import { summarize } from "./eval/summarize.ts";
import { type LoggedTranslation, type Translated, translateTexts } from "./eval/translate-report.ts";
import { parseVariants, type Variants } from "./eval/variant.ts";
import { readRefusalPatterns } from "./no-answer/refusal-phrases.ts";
import type { ReportAnswer, ReportData, VariantParts } from "./report/report-data.ts";
import { completeReport, type ReportFiles, readReport, writeReport } from "./report/report-files.ts";
import { ENGLISH } from "./report/words/english.ts";
import { reportLanguage } from "./report-language.ts";
import { bradleyTerry } from "./statistics/bradley-terry.ts";

export type EvalEvent =
  | { event: "eval-start"; questions: number; variants: string[]; problems: Questions["problems"] }
  | { event: "answers-progress"; variant: string; done: number; all: number }
  | { event: "judge-progress" | "translate-progress"; done: number; all: number };

export interface EvalResult {
  readonly files: ReportFiles;
  readonly report: ReportData;
}

export interface EvalOptions {
  readonly onEvent?: (event: EvalEvent) => void;
  readonly signal?: AbortSignal;
}

/** @throws RemoraError; CancelledError when the signal aborts: everything answered so far is kept in `out` */
export async function evaluate(input: EvalConfigInput, options: EvalOptions = {}): Promise<EvalResult> {
  const config = parseConfig(evalSchema, input, "Configuring remora eval");
  const { signal, onEvent = () => {} } = options;
  const files = [config.questions].flat();
  const { questions, problems } = await readQuestions(files, { ...config, limit: config.maxQuestions });
  const patterns = config.refusals === undefined ? undefined : readRefusalPatterns(config.refusals);
  const texts = config.variants === undefined ? defaultVariants(config) : [config.variants].flat().flatMap((name) => name.split(","));
  const compared = parseVariants(texts, ownModels(config), config.index !== undefined);
  const names = compared.variants.map(({ name }) => name);
  refuseUnusedPrices(config, compared);
  if (config.noAnswer === "judge" && config.judge === undefined) {
    throw new ConfigError("Configuring remora eval", [{ path: "judge", problem: "required for noAnswer judge, found nothing" }]);
  }
  if (config.compare !== undefined) readReport(config.compare);
  const models = await openModels(config, compared);
  makeFolder(config.out);
  onEvent({ event: "eval-start", questions: questions.length, variants: names, problems });

  const { answers, unreadDocuments } = await answerAll(config, questions, compared, models.asked, options);
  const judge = models.judge && (await judgeAll(models.judge, config, questions, names, answers, options));
  const scored = await scoreAll(config, questions, answers, { patterns, silence: judge?.silence ?? [] }, signal);
  const translated = models.translator && (await translateAll(models.translator, config, questions, answers, options));
  const translations = translated?.texts;

  const report = completeReport(
    {
      title: config.title ?? files.map((file) => basename(file).replace(/\.\w+$/u, "")).join(", "),
      language: reportLanguage(questions),
      madeAt: new Date().toISOString(),
      remora: packageVersion(),
      variants: compared.variants.map(({ name, model, documents }) => {
        const parts = partsOf(modelOf(model, config, compared), documents ? config.index : undefined);
        return { name, description: ENGLISH.variantParts(parts), parts };
      }),
      questions: questions.map((question) => ({
        ...question,
        translation: translations?.get(question.question),
        oldAnswerTranslation: translations?.get(question.oldAnswer ?? ""),
      })),
      answers: scored.map((answer) => ({ ...answer, translation: translations?.get(answer.text) })),
      problems,
      unreadDocuments,
      summary: summarize(
        questions,
        names,
        scored.flatMap(({ variant, id, scores }) => (scores ? [{ variant, id, scores }] : [])),
      ),
      judge,
      translator: config.translator,
      translationProblems: translated?.problems,
      notes: [],
      settings: settingsOf(config),
    },
    config.out,
    config,
  );
  return { files: await writeReport(config.out, report), report };
}

/** The report made again from what is there: with notes, a title, or an earlier run beside it. */
export async function makeReport(input: ReportConfigInput): Promise<EvalResult> {
  const config = parseConfig(reportSchema, input, "Configuring remora report");
  const report = completeReport(readReport(config.folder), config.folder, config);
  return { files: await writeReport(config.folder, report), report };
}

/**
 * All models, before any is asked: a slip in the last name, or a key that is missing, must not show after hours of answering. Weights are loaded
 * with the first question and leave with `close`, so one model is in memory at a time.
 */
async function openModels(config: EvalConfig, compared: Variants) {
  const { judge, translator, similarity, device, threads, offline } = config;
  const asked = new Map<string, EvalModel>();
  for (const name of new Set(compared.variants.map(({ model }) => model)))
    asked.set(name, await openEvalModel(modelOf(name, config, compared), config));
  const models = {
    asked,
    judge: judge === undefined ? undefined : await openEvalModel({ name: judge }, config),
    translator: translator === undefined ? undefined : await openEvalModel({ name: translator }, config),
  };
  if (similarity !== undefined) await (await openEmbedder({ model: similarity, device, threads, offline })).close();
  return models;
}

async function answerAll(
  config: EvalConfig,
  questions: readonly Question[],
  compared: Variants,
  models: ReadonlyMap<string, EvalModel>,
  { signal, onEvent }: EvalOptions,
): Promise<{ answers: AnswerRecord[]; unreadDocuments: readonly UnreadDocument[] }> {
  using log = new RecordLog<LoggedAnswer>(join(config.out, "answers.jsonl"), ({ key }) => key);
  using pages = config.web
    ? new RecordLog<LoggedPage>(join(config.out, "unread-pages.jsonl"), (page) => JSON.stringify([page.fingerprint, page.document]))
    : undefined;
  const { variants } = compared;
  const documents = variants.some((variant) => variant.documents) ? await indexedDocuments(askConfigOf(config), pages) : undefined;
  const answers: AnswerRecord[] = [];
  try {
    for (const [name, model] of models) {
      try {
        for (const variant of variants.filter((each) => each.model === name)) {
          const onAnswer = (done: number) => onEvent?.({ event: "answers-progress", variant: variant.name, done, all: questions.length });
          answers.push(
            ...(await answerVariant(questions, { variant, model, documents, log, signal, onAnswer, now: () => performance.now() })),
          );
        }
      } finally {
        await model.close();
      }
    }
  } finally {
    await documents?.close();
  }
  return { answers, unreadDocuments: documents?.unread() ?? [] };
}

async function scoreAll(
  config: EvalConfig,
  questions: readonly Question[],
  answers: readonly AnswerRecord[],
  { patterns, silence }: { patterns: readonly RegExp[] | undefined; silence: readonly JudgedSilence[] },
  signal: AbortSignal | undefined,
): Promise<ReportAnswer[]> {
  const { similarity: encoder, device, threads, offline } = config;
  const embedder = encoder === undefined ? undefined : await openEmbedder({ model: encoder, device, threads, offline });
  try {
    const similarity = embedder && (await similarities(questions, answers, embedder, signal));
    const byId = new Map(questions.map((question) => [question.id, question]));
    const judged = new Map(silence.map((verdict) => [JSON.stringify([verdict.variant, verdict.id]), verdict.answers]));
    return answers.map((answer) => {
      if (answer.error !== undefined) return answer;
      const scores = scoreAnswer(byId.get(answer.id)!, answer, {
        patterns,
        answers: judged.get(JSON.stringify([answer.variant, answer.id])),
      });
      return { ...answer, scores: { ...scores, similarity: similarity?.get(similarityKey(answer.variant, answer.id)) } };
    });
  } finally {
    await embedder?.close();
  }
}

async function judgeAll(
  model: EvalModel,
  config: EvalConfig,
  questions: readonly Question[],
  variants: readonly string[],
  answers: readonly AnswerRecord[],
  { signal, onEvent }: EvalOptions,
): Promise<NonNullable<ReportData["judge"]>> {
  using log = new RecordLog<LoggedVerdict>(join(config.out, "verdicts.jsonl"), ({ key }) => key);
  try {
    const onVerdict = (done: number, all: number) => onEvent?.({ event: "judge-progress", done, all });
    const pairs = await judgeAnswers(questions, variants, answers, {
      ask: modelJudge(model),
      fingerprint: model.fingerprint,
      log,
      signal,
      onVerdict,
    });
    const verdicts = pairs.flatMap(({ a, b, score }) => (score === undefined ? [] : [{ a, b, score }]));
    const silence = config.noAnswer === "judge" ? await silenceBy(model, config, questions, answers, { signal, onEvent }) : undefined;
    return { model: config.judge!, pairs, strengths: bradleyTerry(verdicts), silence };
  } finally {
    await model.close();
  }
}

async function silenceBy(
  judge: EvalModel,
  config: EvalConfig,
  questions: readonly Question[],
  answers: readonly AnswerRecord[],
  { signal, onEvent }: EvalOptions,
): Promise<JudgedSilence[]> {
  using log = new RecordLog<LoggedSilence>(join(config.out, "silence.jsonl"), ({ key }) => key);
  const onVerdict = (done: number, all: number) => onEvent?.({ event: "judge-progress", done, all });
  return await judgeSilence(questions, answers, { ask: modelJudge(judge), fingerprint: judge.fingerprint, log, signal, onVerdict });
}

async function translateAll(
  model: EvalModel,
  config: EvalConfig,
  questions: readonly Question[],
  answers: readonly AnswerRecord[],
  { signal, onEvent }: EvalOptions,
): Promise<Translated> {
  using log = new RecordLog<LoggedTranslation>(join(config.out, "translations.jsonl"), ({ key }) => key);
  try {
    const texts = [...questions.flatMap(({ question, oldAnswer }) => [question, oldAnswer ?? ""]), ...answers.map(({ text }) => text)];
    const onProgress = (done: number, all: number) => onEvent?.({ event: "translate-progress", done, all });
    return await translateTexts(
      texts.filter((each) => each.trim() !== ""),
      modelTranslator(model),
      log,
      { signal, onProgress },
    );
  } finally {
    await model.close();
  }
}

/** The models that a comparison has without naming them in its variants. */
function ownModels({ model, adapter }: EvalConfig): string[] {
  return [...(model === undefined ? [] : ["base"]), ...(model === undefined || adapter === undefined ? [] : ["tuned"])];
}

function defaultVariants(config: EvalConfig): string[] {
  const models = ownModels(config);
  if (models.length === 0) {
    const problem = "expected a base model, or variants that name theirs (gpt=openai-compatible:http://host/v1#model)";
    throw new ConfigError("Configuring remora eval", [{ path: "model", problem }]);
  }
  return models.flatMap((model) => (config.index === undefined ? [model] : [model, `${model}+docs`]));
}

function modelOf(model: string, config: EvalConfig, { models }: Variants): EvalModelName {
  const price = config.prices?.[model];
  const named = models[model];
  if (named !== undefined) return { name: named, price };
  return { name: config.model!, adapter: model === "tuned" ? config.adapter : undefined, price };
}

/** A price for a model that nobody asks is a slip of the pen. */
function refuseUnusedPrices({ prices = {} }: EvalConfig, { variants }: Variants): void {
  const models = [...new Set(variants.map(({ model }) => model))];
  const problems = Object.keys(prices)
    .filter((name) => !models.includes(name))
    .map((name) => ({ path: `prices.${name}`, problem: `no variant asks this model; expected one of ${models.join(", ")}` }));
  if (problems.length > 0) throw new ConfigError("Configuring remora eval", problems);
}

function partsOf({ name, adapter, price }: EvalModelName, index: string | undefined): VariantParts {
  const [prompt, answer] = price?.split("/") ?? [];
  return { model: name, adapter, index, ...(prompt && answer && { price: { prompt, answer } }) };
}

/** What changes answers, for the foot of the report. */
function settingsOf(config: EvalConfig): Record<string, string> {
  const shown = [
    "model",
    "adapter",
    "index",
    "template",
    "temperature",
    "maxTokens",
    "seed",
    "search",
    "limit",
    "rerank",
    "embedder",
    "similarity",
    "judge",
  ] as const;
  return Object.fromEntries(shown.flatMap((name) => (config[name] === undefined ? [] : [[name, String(config[name])]])));
}

/** The part that `remora ask` has too. */
function askConfigOf(config: EvalConfig): AskConfig {
  return askSchema.parse(
    pick(
      config,
      Object.keys(askSchema.shape).filter((name) => name !== "columns"),
    ),
  );
}

function pick(config: EvalConfig, names: readonly string[]): Record<string, unknown> {
  return Object.fromEntries(Object.entries(config).filter(([name]) => names.includes(name)));
}
