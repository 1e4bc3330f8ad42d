/** Every answer that says something, put to the judge: is it one? What the judge said is logged, so a stopped round goes on. */
import { CancelledError } from "../../errors/cancelled-error.ts";
import type { AskJudge } from "../judge/pairwise-judge.ts";
import { readSilence, silencePrompt } from "../judge/silence-judge.ts";
import type { AnswerRecord } from "./answer-record.ts";
import type { Question } from "./questions.ts";
import type { RecordLog } from "./record-log.ts";

export interface JudgedSilence {
  readonly variant: string;
  readonly id: string;
  /** Undefined: the judge's words could not be read; then the list of phrases decides. */
  readonly answers?: boolean;
  readonly problem?: string;
}

export interface LoggedSilence extends JudgedSilence {
  readonly key: string;
}

export interface SilenceOptions {
  readonly ask: AskJudge;
  /** Changes when the judge does. */
  readonly fingerprint: string;
  readonly log: RecordLog<LoggedSilence>;
  readonly signal?: AbortSignal;
  readonly onVerdict?: (done: number, all: number) => void;
}

/** @returns a verdict for each answer that did not fail and is not empty  @throws CancelledError; what was judged is in the log */
export async function judgeSilence(
  questions: readonly Question[],
  answers: readonly AnswerRecord[],
  { ask, fingerprint, log, signal, onVerdict }: SilenceOptions,
): Promise<JudgedSilence[]> {
  const textOf = new Map(questions.map(({ id, question }) => [id, question]));
  const judged = answers.filter(({ text, error, tokens }) => error === undefined && tokens !== 0 && text.trim() !== "");
  const verdicts: JudgedSilence[] = [];
  for (const { variant, id, text } of judged) {
    if (signal?.aborted) throw new CancelledError("Judging answers");
    const question = textOf.get(id)!;
    const key = JSON.stringify([fingerprint, variant, id, question, text]);
    let verdict = log.get(key);
    if (verdict === undefined || verdict.problem !== undefined) {
      verdict = { variant, id, ...(await verdictOf(silencePrompt(question, text), ask, signal)), key };
      log.add(verdict);
    }
    const { key: _, ...told } = verdict;
    verdicts.push(told);
    onVerdict?.(verdicts.length, judged.length);
  }
  return verdicts;
}

async function verdictOf(
  prompt: string,
  ask: AskJudge,
  signal: AbortSignal | undefined,
): Promise<Pick<JudgedSilence, "answers" | "problem">> {
  try {
    const answers = readSilence(await ask(prompt, signal));
    return answers === undefined ? { problem: "the judge's words say neither yes nor no" } : { answers };
  } catch (error) {
    if (CancelledError.isInstance(error) || !(error instanceof Error)) throw error;
    return { problem: error.message };
  }
}
