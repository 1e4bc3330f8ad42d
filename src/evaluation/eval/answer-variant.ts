/**
 * All questions put to one variant, in batches; each answer goes to the log at once, so that stopping loses at most a batch. What was answered
 * before is not asked again. A failure of one question is that question's answer; a failure of the whole model ends the variant and is said.
 */
import type { AskAnswer, AskRequest } from "../../config/reports.ts";
import { CancelledError } from "../../errors/cancelled-error.ts";
import type { AnswerRecord, AnswerSource } from "./answer-record.ts";
import type { Question } from "./questions.ts";
import type { RecordLog } from "./record-log.ts";
import type { Variant } from "./variant.ts";

/** A model that a comparison asks. */
export interface EvalModel {
  /** Changes when anything does that may change its answers: weights, settings, template. */
  readonly fingerprint: string;
  readonly description: string;
  /** Questions at once. */
  readonly batchSize: number;
  /** What is sent for a question, with the passages it is to be answered from or without any. */
  request(question: Question, sources: readonly AnswerSource[] | undefined): AskRequest;
  /** Answers in the requests' order; an entry may be the error of its request. */
  ask(requests: readonly AskRequest[], signal: AbortSignal | undefined): Promise<readonly (AskAnswer | Error)[]>;
  /** US dollars of an answer, where a price is known. */
  price?(answer: AskAnswer): number | undefined;
}

/** Passages for a question, the best first. */
export type Retrieve = (question: string, signal: AbortSignal | undefined) => Promise<readonly AnswerSource[]>;

export interface LoggedAnswer extends AnswerRecord {
  /** Of variant, model and question; an answer to another question text is another answer. */
  readonly key: string;
}

export interface AnswerVariantOptions {
  readonly variant: Variant;
  readonly model: EvalModel;
  readonly retrieve?: Retrieve;
  /** Changes when the documents do. */
  readonly documentsFingerprint?: string;
  readonly log: RecordLog<LoggedAnswer>;
  readonly signal?: AbortSignal;
  readonly onAnswer?: (done: number) => void;
}

export async function answerVariant(questions: readonly Question[], options: AnswerVariantOptions): Promise<void> {
  const { variant, model, log, signal } = options;
  const keyOf = (question: Question) =>
    JSON.stringify([
      variant.name,
      model.fingerprint,
      variant.documents ? options.documentsFingerprint : "",
      question.id,
      question.question,
    ]);
  const open = questions.filter((question) => {
    const before = log.get(keyOf(question));
    return before === undefined || before.error !== undefined;
  });
  let done = questions.length - open.length;
  options.onAnswer?.(done);
  for (let first = 0; first < open.length; first += model.batchSize) {
    const batch = open.slice(first, first + model.batchSize);
    for (const [index, record] of (await answerBatch(batch, options)).entries()) log.add({ ...record, key: keyOf(batch[index]!) });
    done += batch.length;
    options.onAnswer?.(done);
  }
}

async function answerBatch(
  batch: readonly Question[],
  { variant, model, retrieve, signal }: AnswerVariantOptions,
): Promise<AnswerRecord[]> {
  const found = await Promise.all(
    batch.map((question) => (variant.documents ? settled(() => retrieve!(question.question, signal)) : undefined)),
  );
  const askable = batch.map((_, index) => index).filter((index) => !(found[index] instanceof Error));
  const answers = await model.ask(
    askable.map((index) => model.request(batch[index]!, found[index] as readonly AnswerSource[] | undefined)),
    signal,
  );
  if (signal?.aborted || answers.some((answer) => !(answer instanceof Error) && answer.finishReason === "cancelled"))
    throw new CancelledError("Comparing answers");
  return batch.map((question, index): AnswerRecord => {
    const sources = found[index];
    const answer = sources instanceof Error ? sources : answers[askable.indexOf(index)]!;
    const record = {
      variant: variant.name,
      id: question.id,
      ...(Array.isArray(sources) && { sources: sources as readonly AnswerSource[] }),
    };
    if (answer instanceof Error) return { ...record, text: "", seconds: 0, error: answer.message };
    const { text, finishReason, tokens, promptTokens, seconds } = answer;
    return { ...record, text, finishReason, tokens, promptTokens, seconds, cost: model.price?.(answer) };
  });
}

/** Cancelling goes through; any other failure becomes a value. */
async function settled<T>(work: () => Promise<T>): Promise<T | Error> {
  try {
    return await work();
  } catch (error) {
    if (CancelledError.isInstance(error) || !(error instanceof Error)) throw error;
    return error;
  }
}
