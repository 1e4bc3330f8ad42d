/**
 * A comparison from questions to report: every variant answers, model by model so that one is in memory at a time; answers are scored, judged
 * and translated where asked; the report says what helped. Everything that costs time is logged as it comes, so a stopped comparison goes on.
 */
import { mkdirSync } from "node:fs";
import { basename, join } from "node:path";
import { parseConfig } from "../config/parse.ts";
import { type EvalConfig, type EvalConfigInput, evalSchema, type ReportConfigInput, reportSchema } from "../config/schemas/eval.ts";
import { sessionSchema } from "../config/schemas/generate.ts";
import { type AskConfig, askSchema } from "../config/schemas/retrieval.ts";
import { openEmbedder } from "../engine/open-embedder.ts";
import { FileAccessError } from "../errors/file-access-error.ts";
import { packageVersion } from "../hub/shipped-models.ts";
import type { AnswerRecord } from "./eval/answer-record.ts";
import { scoreAnswer } from "./eval/answer-scores.ts";
import { answerVariant, type EvalModel, type LoggedAnswer } from "./eval/answer-variant.ts";
import { indexedDocuments } from "./eval/index-documents-source.ts";
import { judgeAnswers, type LoggedVerdict } from "./eval/judge-answers.ts";
import { localModel } from "./eval/local-model.ts";
import { modelJudge, modelTranslator } from "./eval/model-roles.ts";
import { type Question, type Questions, readQuestions } from "./eval/questions.ts";
import { RecordLog } from "./eval/record-log.ts";
import { similarities, similarityKey } from "./eval/similarity.ts";
import { summarize } from "./eval/summarize.ts";
import { type LoggedTranslation, translateTexts } from "./eval/translate-report.ts";
import { parseVariants, type Variant } from "./eval/variant.ts";
import { readRefusalPatterns } from "./no-answer/refusal-phrases.ts";
import type { ReportAnswer, ReportData, Translation } from "./report/report-data.ts";
import { completeReport, type ReportFiles, readReport, writeReport } from "./report/report-files.ts";
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
  /** @default the models of this machine */
  readonly openModel?: (name: string, adapter: string | undefined) => Promise<EvalModel>;
}

/** @throws RemoraError; CancelledError when the signal aborts: everything answered so far is kept in `out` */
export async function evaluate(input: EvalConfigInput, options: EvalOptions = {}): Promise<EvalResult> {
  const config = parseConfig(evalSchema, input, "Configuring remora eval");
  const { signal, onEvent = () => {} } = options;
  const files = [config.questions].flat();
  const { questions, problems } = await readQuestions(files, { ...config, limit: config.maxQuestions });
  const patterns = config.refusals === undefined ? undefined : readRefusalPatterns(config.refusals);
  const names = config.variants === undefined ? defaultVariants(config) : [config.variants].flat().flatMap((name) => name.split(","));
  const variants = parseVariants(names, config.adapter === undefined ? ["base"] : ["base", "tuned"], config.index !== undefined);
  makeFolder(config.out);
  onEvent({ event: "eval-start", questions: questions.length, variants: names, problems });

  const open = options.openModel ?? ((model, adapter) => localModel(sessionOf(config, model), adapter));
  const answers = await answerAll(config, questions, variants, open, options);
  const scored = await scoreAll(config, questions, answers, patterns, signal);
  const judge = config.judge === undefined ? undefined : await judgeAll(config.judge, config, questions, names, answers, open, options);
  const translations =
    config.translator === undefined ? undefined : await translateAll(config.translator, config, questions, answers, open, options);

  const report = completeReport(
    {
      title: config.title ?? files.map((file) => basename(file).replace(/\.\w+$/u, "")).join(", "),
      madeAt: new Date().toISOString(),
      remora: packageVersion(),
      variants: variants.map((variant) => ({ name: variant.name, description: describe(variant, config) })),
      questions: questions.map((question) => ({
        ...question,
        translation: translations?.get(question.question),
        oldAnswerTranslation: translations?.get(question.oldAnswer ?? ""),
      })),
      answers: scored.map((answer) => ({ ...answer, translation: translations?.get(answer.text) })),
      problems,
      summary: summarize(
        questions,
        names,
        scored.flatMap(({ variant, id, scores }) => (scores ? [{ variant, id, scores }] : [])),
      ),
      judge,
      translator: config.translator,
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

type OpenModel = NonNullable<EvalOptions["openModel"]>;

async function answerAll(
  config: EvalConfig,
  questions: readonly Question[],
  variants: readonly Variant[],
  open: OpenModel,
  { signal, onEvent }: EvalOptions,
): Promise<AnswerRecord[]> {
  using log = new RecordLog<LoggedAnswer>(join(config.out, "answers.jsonl"), ({ key }) => key);
  const documents = variants.some((variant) => variant.documents) ? await indexedDocuments(askConfigOf(config)) : undefined;
  const answers: AnswerRecord[] = [];
  try {
    for (const name of new Set(variants.map(({ model }) => model))) {
      const model = await open(config.model, name === "tuned" ? config.adapter : undefined);
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
  return answers;
}

async function scoreAll(
  config: EvalConfig,
  questions: readonly Question[],
  answers: readonly AnswerRecord[],
  patterns: readonly RegExp[] | undefined,
  signal: AbortSignal | undefined,
): Promise<ReportAnswer[]> {
  const { similarity: encoder, device, threads, offline } = config;
  const embedder = encoder === undefined ? undefined : await openEmbedder({ model: encoder, device, threads, offline });
  try {
    const similarity = embedder && (await similarities(questions, answers, embedder, signal));
    const byId = new Map(questions.map((question) => [question.id, question]));
    return answers.map((answer) => {
      if (answer.error !== undefined) return answer;
      const scores = scoreAnswer(byId.get(answer.id)!, answer, patterns);
      return { ...answer, scores: { ...scores, similarity: similarity?.get(similarityKey(answer.variant, answer.id)) } };
    });
  } finally {
    await embedder?.close();
  }
}

async function judgeAll(
  name: string,
  config: EvalConfig,
  questions: readonly Question[],
  variants: readonly string[],
  answers: readonly AnswerRecord[],
  open: OpenModel,
  { signal, onEvent }: EvalOptions,
): Promise<NonNullable<ReportData["judge"]>> {
  using log = new RecordLog<LoggedVerdict>(join(config.out, "verdicts.jsonl"), ({ key }) => key);
  const model = await open(name, undefined);
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
    return { model: name, pairs, strengths: bradleyTerry(verdicts) };
  } finally {
    await model.close();
  }
}

async function translateAll(
  name: string,
  config: EvalConfig,
  questions: readonly Question[],
  answers: readonly AnswerRecord[],
  open: OpenModel,
  { signal, onEvent }: EvalOptions,
): Promise<Map<string, Translation>> {
  using log = new RecordLog<LoggedTranslation>(join(config.out, "translations.jsonl"), ({ key }) => key);
  const model = await open(name, undefined);
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

function defaultVariants({ adapter, index }: EvalConfig): string[] {
  const models = adapter === undefined ? ["base"] : ["base", "tuned"];
  return models.flatMap((model) => (index === undefined ? [model] : [model, `${model}+docs`]));
}

function describe({ model, documents }: Variant, config: EvalConfig): string {
  return `${config.model}${model === "tuned" ? ` with the adapter ${config.adapter}` : ""}${documents ? `, from the documents of ${config.index}` : ""}`;
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

function sessionOf(config: EvalConfig, model: string): Parameters<typeof localModel>[0] {
  return { ...pick(config, Object.keys(sessionSchema.shape)), model };
}

function pick(config: EvalConfig, names: readonly string[]): Record<string, unknown> {
  return Object.fromEntries(Object.entries(config).filter(([name]) => names.includes(name)));
}

function makeFolder(path: string): void {
  try {
    mkdirSync(path, { recursive: true });
  } catch (cause) {
    throw new FileAccessError("Making the folder", path, cause);
  }
}
