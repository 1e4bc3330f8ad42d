/**
 * All questions put to one variant, a few at a time; each answer goes to the log when it is there, so that stopping loses at most those under
 * way. What was answered before is not asked again; what failed is. A failure of one question is that question's answer, and the rest goes on.
 */
import type { AskAnswer, AskRequest } from "../../config/reports.ts";
import { CancelledError } from "../../errors/cancelled-error.ts";
import type { UnreadDocument } from "../../retrieval/store/document-index.ts";
import type { AnswerRecord, AnswerSource } from "./answer-record.ts";
import type { Question } from "./questions.ts";
import type { RecordLog } from "./record-log.ts";
import type { Variant } from "./variant.ts";

/** A model that a comparison asks. */
export interface EvalModel {
  /** Changes when anything does that may change its answers: weights, settings, template. */
  readonly fingerprint: string;
  /** Questions at once. */
  readonly concurrency: number;
  /** The template that its rows go through. */
  template(): Promise<string>;
  ask(request: AskRequest, options: { readonly signal?: AbortSignal }): Promise<AskAnswer>;
  /** US dollars of an answer, where a price is known. */
  price?(answer: AskAnswer): number | undefined;
  close(): Promise<void>;
}

/** An answer from documents: what was found, and what the model (or nobody, when nothing supports an answer) said. */
export interface AnswerFromDocuments {
  readonly text: string;
  readonly sources: readonly AnswerSource[];
  /** Absent when no model was asked. */
  readonly model?: AskAnswer;
}

export interface Documents {
  /** Changes when the documents or the way of searching do. */
  readonly fingerprint: string;
  answer(question: string, model: EvalModel, signal: AbortSignal | undefined): Promise<AnswerFromDocuments>;
  /** What no answer can come from, because it could not be read: by the index, or on the web, in this run or the one it goes on from. */
  unread(): readonly UnreadDocument[];
  close(): Promise<void>;
}

export interface LoggedAnswer extends AnswerRecord {
  /** Of variant, model, documents and question: another text under the same id is another question. */
  readonly key: string;
}

export interface AnswerVariantOptions {
  readonly variant: Variant;
  readonly model: EvalModel;
  readonly documents?: Documents;
  readonly log: RecordLog<LoggedAnswer>;
  readonly signal?: AbortSignal;
  readonly onAnswer?: (done: number) => void;
  /** Milliseconds. */
  readonly now: () => number;
}

/** @returns the answers, in the questions' order  @throws CancelledError; what was answered is in the log */
export async function answerVariant(questions: readonly Question[], options: AnswerVariantOptions): Promise<AnswerRecord[]> {
  const { variant, model, documents, log } = options;
  const keyOf = ({ id, question }: Question) =>
    JSON.stringify([variant.name, model.fingerprint, variant.documents ? documents!.fingerprint : "", id, question]);
  const open = questions.filter((question) => {
    const before = log.get(keyOf(question));
    return before === undefined || before.error !== undefined;
  });
  let done = questions.length - open.length;
  options.onAnswer?.(done);
  const next = open.values();
  const work = async () => {
    for (const question of next) {
      log.add({ ...(await answerOne(question, options)), key: keyOf(question) });
      options.onAnswer?.(++done);
    }
  };
  await Promise.all(Array.from({ length: Math.min(model.concurrency, open.length) }, work));
  return questions.map((question) => {
    const { key: _, ...record } = log.get(keyOf(question))!;
    return record;
  });
}

async function answerOne(question: Question, { variant, model, documents, signal, now }: AnswerVariantOptions): Promise<AnswerRecord> {
  const started = now();
  const record = { variant: variant.name, id: question.id };
  try {
    if (signal?.aborted) throw new CancelledError("Comparing answers");
    const found = variant.documents ? await documents!.answer(question.question, model, signal) : undefined;
    const answer = found ? found.model : await model.ask(requestOf(question, await model.template()), { signal });
    if (answer?.finishReason === "cancelled") throw new CancelledError("Comparing answers");
    return {
      ...record,
      text: found?.text ?? answer!.text,
      seconds: (now() - started) / 1000,
      ...(answer && {
        finishReason: answer.finishReason,
        // A server that does not count says 0 of everything: not to be taken for an answer that ended at once.
        tokens: answer.tokens === 0 && answer.text !== "" ? undefined : answer.tokens,
        promptTokens: answer.promptTokens,
        cost: model.price?.(answer),
      }),
      ...(found && { sources: found.sources }),
      ...(found && !answer && model.price && { cost: 0 }),
    };
  } catch (error) {
    if (signal?.aborted || CancelledError.isInstance(error) || !(error instanceof Error)) throw error;
    return { ...record, text: "", seconds: (now() - started) / 1000, error: error.message };
  }
}

/** A question alone, or with the passage that came with it. Models that learnt a template of rows get a row, others a message. */
function requestOf({ question, context }: Question, template: string): AskRequest {
  if (template !== "chat" && template !== "raw") return { row: { instruction: question, ...(context !== undefined && { context }) } };
  const content = context === undefined ? question : `${context}\n\n${question}`;
  return template === "raw" ? { prompt: `${content}\n` } : { messages: [{ role: "user", content }] };
}
