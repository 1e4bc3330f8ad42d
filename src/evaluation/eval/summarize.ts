/**
 * From scored answers to what may be said: a table of variants and figures with intervals, the no-answer table by variant and category, paired
 * differences from the first variant, and sentences (`summary-sentences.ts`).
 */
import { type AnswerTable, answerTable, type JudgedAnswer } from "../no-answer/answer-table.ts";
import { type Difference, type Interval, meanInterval, pairedDifference } from "../statistics/bootstrap.ts";
import { shareInterval } from "../statistics/wilson.ts";
import type { AnswerScores } from "./answer-scores.ts";
import { METRICS } from "./metrics.ts";
import type { Question } from "./questions.ts";
import type { Summary } from "./summary.ts";
import { summarySentences } from "./summary-sentences.ts";

export interface ScoredAnswer {
  readonly variant: string;
  readonly id: string;
  readonly scores: AnswerScores;
}

export function summarize(questions: readonly Question[], variants: readonly string[], answers: readonly ScoredAnswer[]): Summary {
  const byId = new Map(questions.map((question) => [question.id, question]));
  const scoresOf = new Map(variants.map((variant) => [variant, new Map<string, AnswerScores>()]));
  for (const { variant, id, scores } of answers) scoresOf.get(variant)?.set(id, scores);
  const baseline = variants[0]!;
  const summaries = variants.map((variant) => {
    const scores = scoresOf.get(variant)!;
    const categories = [...new Set(questions.map(({ category }) => category).filter((category) => category !== undefined))];
    const inCategory = (category: string) => new Map([...scores].filter(([id]) => byId.get(id)?.category === category));
    return {
      variant,
      count: scores.size,
      metrics: intervals(scores),
      answers: tableOf(scores, byId),
      byCategory: Object.fromEntries(
        categories.map((category) => [
          category,
          { answers: tableOf(inCategory(category), byId), metrics: intervals(inCategory(category)) },
        ]),
      ),
      differences: variant === baseline ? {} : differences(scoresOf.get(baseline)!, scores),
    };
  });
  return { baseline, variants: summaries, sentences: summarySentences({ baseline, variants: summaries }, "en") };
}

function intervals(scores: ReadonlyMap<string, AnswerScores>): Record<string, Interval> {
  const result: Record<string, Interval> = {};
  for (const { name, of, counted } of METRICS) {
    const values = [...scores.values()].map(of).filter((value) => value !== undefined);
    const interval = counted
      ? shareInterval(
          values.reduce((sum, value) => sum + value, 0),
          values.length,
        )
      : meanInterval(values);
    if (interval) result[name] = interval;
  }
  return result;
}

function differences(base: ReadonlyMap<string, AnswerScores>, other: ReadonlyMap<string, AnswerScores>): Record<string, Difference> {
  const result: Record<string, Difference> = {};
  for (const { name, of } of METRICS) {
    const pairs: [number, number][] = [];
    for (const [id, scores] of other) {
      const before = base.has(id) ? of(base.get(id)!) : undefined;
      const after = of(scores);
      if (before !== undefined && after !== undefined) pairs.push([before, after]);
    }
    const difference = pairedDifference(
      pairs.map(([before]) => before),
      pairs.map(([, after]) => after),
    );
    if (difference) result[name] = difference;
  }
  return result;
}

function tableOf(scores: ReadonlyMap<string, AnswerScores>, questions: ReadonlyMap<string, Question>): AnswerTable {
  return answerTable(
    [...scores].map(
      ([id, { kind, f1 }]): JudgedAnswer => ({ answered: kind === "answered", answerable: questions.get(id)?.answerable, correct: f1 }),
    ),
  );
}
