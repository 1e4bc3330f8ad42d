/**
 * From scored answers to what may be said: a table of variants and figures with intervals, the no-answer table by variant and category, paired
 * differences from the first variant, and sentences. A sentence claims a difference only where its interval leaves zero out; else it says that
 * it cannot be told.
 */
import { type AnswerTable, answerTable, type JudgedAnswer } from "../no-answer/answer-table.ts";
import { type Difference, type Interval, MIN_PAIRS, meanInterval, pairedDifference } from "../statistics/bootstrap.ts";
import type { AnswerScores } from "./answer-scores.ts";
import { METRICS, type Metric } from "./metrics.ts";
import type { Question } from "./questions.ts";

export interface ScoredAnswer {
  readonly variant: string;
  readonly id: string;
  readonly scores: AnswerScores;
}

export interface VariantSummary {
  readonly variant: string;
  /** Answered without an error. */
  readonly count: number;
  readonly metrics: Readonly<Record<string, Interval>>;
  readonly answers: AnswerTable;
  readonly byCategory: Readonly<Record<string, { readonly answers: AnswerTable; readonly metrics: Readonly<Record<string, Interval>> }>>;
  /** Against the first variant, question by question. */
  readonly differences: Readonly<Record<string, Difference>>;
}

export interface Summary {
  readonly baseline: string;
  readonly variants: readonly VariantSummary[];
  readonly sentences: readonly string[];
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
  return { baseline, variants: summaries, sentences: inWords(baseline, summaries) };
}

function intervals(scores: ReadonlyMap<string, AnswerScores>): Record<string, Interval> {
  const result: Record<string, Interval> = {};
  for (const { name, of } of METRICS) {
    const interval = meanInterval([...scores.values()].map(of).filter((value) => value !== undefined));
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

/** The figures that people ask about first. */
const SPOKEN = ["f1", "chrF", "similarity", "groundedness"];
const percent = (share: number) => `${(100 * share).toFixed(1)}`;

function inWords(baseline: string, summaries: readonly VariantSummary[]): string[] {
  const spoken = METRICS.filter(({ name }) => SPOKEN.includes(name));
  return summaries.slice(1).flatMap((summary) => {
    const lines = spoken.flatMap((metric) => compare(baseline, summary, metric) ?? []).slice(0, 2);
    const silence = silenceInWords(baseline, summary, summaries[0]!);
    const all = [...lines, ...(silence === undefined ? [] : [silence])];
    return all.length > 0
      ? all
      : [`${summary.variant} cannot be compared with ${baseline}: no question was answered by both with a figure to compare.`];
  });
}

function compare(baseline: string, { variant, differences }: VariantSummary, { name, title }: Metric): string | undefined {
  const difference = differences[name];
  if (!difference) return undefined;
  const { mean, low, high, count, differs } = difference;
  if (count < MIN_PAIRS)
    return `Whether ${variant} is better than ${baseline} in ${title} cannot be told from ${count} questions; ${MIN_PAIRS} are the fewest.`;
  const range = `95% interval ${signed(low)} to ${signed(high)}, ${count} questions`;
  if (differs === "cannot tell")
    return `Whether ${variant} is better than ${baseline} in ${title} cannot be told (${signed(mean)} points; ${range}).`;
  return `${variant} is ${differs === "higher" ? "better" : "worse"} than ${baseline} in ${title} by ${percent(Math.abs(mean))} points (${range}).`;
}

function silenceInWords(baseline: string, summary: VariantSummary, base: VariantSummary): string | undefined {
  const difference = summary.differences.noAnswer;
  if (!difference) return undefined;
  const { refusedWhenUnanswerable: right, refusedWhenAnswerable: wrong } = summary.answers;
  const was = base.answers;
  const detail =
    right && wrong && was.refusedWhenUnanswerable && was.refusedWhenAnswerable
      ? ` It stays silent on ${percent(right.mean)}% of what has no answer (${baseline}: ${percent(was.refusedWhenUnanswerable.mean)}%) and on ${percent(wrong.mean)}% of what has one (${baseline}: ${percent(was.refusedWhenAnswerable.mean)}%).`
      : "";
  const share = summary.metrics.noAnswer!;
  const change =
    difference.differs === "cannot tell"
      ? `and whether that is more or less often than ${baseline} cannot be told (${signed(difference.mean)} points)`
      : `${difference.differs === "higher" ? "more" : "less"} often than ${baseline} by ${percent(Math.abs(difference.mean))} points`;
  return `${summary.variant} gives no answer to ${percent(share.mean)}% of the questions${difference.differs === "cannot tell" ? " " : ", "}${change}.${detail}`;
}

function signed(share: number): string {
  return `${share >= 0 ? "+" : "−"}${percent(Math.abs(share))}`;
}
