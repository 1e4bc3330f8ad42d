/**
 * Answered and refused against answerable and unanswerable: the four cells, and what follows from them. Silence is right where no answer exists
 * and wrong where one does, so one figure alone flatters either the talker or the mute.
 * Source of `correctGivenAttempted`: SimpleQA, arXiv:2411.04368.
 */
import { type Interval, meanInterval } from "../statistics/bootstrap.ts";
import { shareInterval } from "../statistics/wilson.ts";

export interface JudgedAnswer {
  readonly answered: boolean;
  /** Undefined where the questions do not say. */
  readonly answerable?: boolean;
  /** How right, 0 to 1; undefined without a reference. */
  readonly correct?: number;
}

export interface AnswerTable {
  readonly answered: { readonly answerable: number; readonly unanswerable: number; readonly unknown: number };
  readonly refused: { readonly answerable: number; readonly unanswerable: number; readonly unknown: number };
  /** Share of all questions with no answer. */
  readonly noAnswer?: Interval;
  /** Mean correctness of what was answered, of answerable questions. */
  readonly correctGivenAttempted?: Interval;
  /** Share of unanswerable questions that were refused. */
  readonly refusedWhenUnanswerable?: Interval;
  /** Share of answerable questions that were refused. */
  readonly refusedWhenAnswerable?: Interval;
}

export function answerTable(answers: readonly JudgedAnswer[]): AnswerTable {
  const count = (answered: boolean, answerable: boolean | undefined) =>
    answers.filter((answer) => answer.answered === answered && answer.answerable === answerable).length;
  const cells = (answered: boolean) => ({
    answerable: count(answered, true),
    unanswerable: count(answered, false),
    unknown: count(answered, undefined),
  });
  const [answered, refused] = [cells(true), cells(false)];
  const attempted = answers.filter((answer) => answer.answered && answer.answerable !== false && answer.correct !== undefined);
  return {
    answered,
    refused,
    noAnswer: shareInterval(answers.filter((answer) => !answer.answered).length, answers.length),
    correctGivenAttempted: meanInterval(attempted.map(({ correct }) => correct!)),
    refusedWhenUnanswerable: shareInterval(refused.unanswerable, refused.unanswerable + answered.unanswerable),
    refusedWhenAnswerable: shareInterval(refused.answerable, refused.answerable + answered.answerable),
  };
}
