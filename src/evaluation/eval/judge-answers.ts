/** Every pair of variants on every question that both answered, put to the judge; verdicts are logged, so a stopped round goes on. */
import { CancelledError } from "../../errors/cancelled-error.ts";
import { type AskJudge, type JudgedPair, judgePair } from "../judge/pairwise-judge.ts";
import type { AnswerRecord } from "./answer-record.ts";
import type { Question } from "./questions.ts";
import type { RecordLog } from "./record-log.ts";

export interface LoggedVerdict extends JudgedPair {
  readonly key: string;
}

export interface JudgeOptions {
  readonly ask: AskJudge;
  /** Changes when the judge does. */
  readonly fingerprint: string;
  readonly log: RecordLog<LoggedVerdict>;
  readonly signal?: AbortSignal;
  readonly onVerdict?: (done: number, all: number) => void;
}

export async function judgeAnswers(
  questions: readonly Question[],
  variants: readonly string[],
  answers: readonly AnswerRecord[],
  options: JudgeOptions,
): Promise<JudgedPair[]> {
  const byKey = new Map(answers.map((answer) => [JSON.stringify([answer.variant, answer.id]), answer]));
  const pairs = questions.flatMap((question) =>
    variants.flatMap((a, index) =>
      variants.slice(index + 1).flatMap((b) => {
        const [one, two] = [byKey.get(JSON.stringify([a, question.id])), byKey.get(JSON.stringify([b, question.id]))];
        return one && two && one.error === undefined && two.error === undefined ? [{ question, a: one, b: two }] : [];
      }),
    ),
  );
  const verdicts: JudgedPair[] = [];
  for (const { question, a, b } of pairs) {
    if (options.signal?.aborted) throw new CancelledError("Judging answers");
    const key = JSON.stringify([options.fingerprint, question.id, question.question, a.variant, a.text, b.variant, b.text]);
    let verdict = options.log.get(key);
    if (verdict === undefined || verdict.problem !== undefined) {
      const judged =
        a.text.trim() === b.text.trim() ? equalAnswers(question.id, a.variant, b.variant) : await verdictOf(question, a, b, options);
      verdict = { ...judged, key };
      options.log.add(verdict);
    }
    const { key: _, ...pair } = verdict;
    verdicts.push(pair);
    options.onVerdict?.(verdicts.length, pairs.length);
  }
  return verdicts;
}

/** Nothing to ask: word for word the same. */
function equalAnswers(id: string, a: string, b: string): JudgedPair {
  return { id, a, b, score: 0.5, reasons: ["the answers are equal"] };
}

async function verdictOf(question: Question, a: AnswerRecord, b: AnswerRecord, { ask, signal }: JudgeOptions): Promise<JudgedPair> {
  const { id, references } = question;
  try {
    return await judgePair({ id, question: question.question, references, a, b }, ask, signal);
  } catch (error) {
    if (CancelledError.isInstance(error) || !(error instanceof Error)) throw error;
    return { id, a: a.variant, b: b.variant, reasons: [], problem: error.message };
  }
}
