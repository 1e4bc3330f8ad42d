/**
 * What debating was worth, where right answers are known: each debater's first statement, which is its plain answer from its documents, against
 * the debate's answer. Costs nothing: the transcript holds both.
 */
import { chrF } from "../evaluation/scores/chrf.ts";
import { unitF1 } from "../evaluation/scores/exact-and-f1.ts";
import { type Difference, type Interval, meanInterval, pairedDifference } from "../evaluation/statistics/bootstrap.ts";
import { withoutCitations } from "./check-citations.ts";
import type { DebateRecord } from "./debate-record.ts";

export interface AnswerWorth {
  /** A debater, or `debate`. */
  readonly who: string;
  readonly f1: Interval;
  /** 0 to 1. */
  readonly chrF: Interval;
  /** The debate's F1 minus this one's, paired by question; absent for the debate itself. */
  readonly debateF1?: Difference;
}

/** Questions without references do not count. No consensus is an empty answer, and scores as one. */
export function debateWorth(records: readonly DebateRecord[]): AnswerWorth[] {
  const known = records.filter(({ references, status }) => references.length > 0 && status !== "failed");
  if (known.length === 0) return [];
  const names = [...new Set(known.flatMap(({ turns }) => turns.map(({ debater }) => debater)))];
  const score = (answerOf: (record: DebateRecord) => string) => {
    const answers = known.map((record) => withoutCitations(answerOf(record)));
    return {
      f1: answers.map((answer, index) => unitF1(answer, known[index]!.references)),
      chrF: answers.map((answer, index) => Math.max(...known[index]!.references.map((reference) => chrF([answer], [reference]) / 100))),
    };
  };
  const debated = score(({ answer }) => answer);
  const worth = (who: string, { f1, chrF }: typeof debated): AnswerWorth => ({ who, f1: meanInterval(f1)!, chrF: meanInterval(chrF)! });
  return [
    ...names.map((name) => {
      const first = score(({ turns }) => turns.find(({ debater, round }) => debater === name && round === 1)?.text ?? "");
      return { ...worth(name, first), debateF1: pairedDifference(first.f1, debated.f1) };
    }),
    worth("debate", debated),
  ];
}
