/** The figures of a comparison, each with its name, direction and how it is shown. What a report lists and a summary may claim. */
import type { AnswerScores } from "./answer-scores.ts";

export interface Metric {
  readonly name: string;
  readonly title: string;
  /** What it says, in a sentence a reader meets as a hint. */
  readonly meaning: string;
  readonly better: "higher" | "lower" | "neither";
  readonly unit: "share" | "number" | "seconds" | "dollars" | "rate";
  readonly of: (scores: AnswerScores) => number | undefined;
}

const answered = (scores: AnswerScores) => scores.kind === "answered";
const whenAnswered = (of: Metric["of"]) => (scores: AnswerScores) => (answered(scores) ? of(scores) : undefined);

export const METRICS: readonly Metric[] = [
  {
    name: "noAnswer",
    title: "No answer",
    meaning: "Share of questions with an empty answer, an answer that ended at once, or a refusal",
    better: "neither",
    unit: "share",
    of: (scores) => Number(!answered(scores)),
  },
  {
    name: "exact",
    title: "Exact match",
    meaning: "Equal to a reference, but for case and punctuation",
    better: "higher",
    unit: "share",
    of: (s) => s.exact,
  },
  {
    name: "f1",
    title: "F1",
    meaning: "Overlap of words (characters in Japanese) with the reference",
    better: "higher",
    unit: "share",
    of: (s) => s.f1,
  },
  {
    name: "rougeL",
    title: "ROUGE-L",
    meaning: "Longest common subsequence with the reference",
    better: "higher",
    unit: "share",
    of: (s) => s.rougeL,
  },
  {
    name: "chrF",
    title: "chrF",
    meaning: "Shared character n-grams with the reference",
    better: "higher",
    unit: "share",
    of: (s) => s.chrF,
  },
  {
    name: "similarity",
    title: "Similarity",
    meaning: "Cosine of answer and reference, as an encoder sees their meaning",
    better: "higher",
    unit: "share",
    of: (s) => s.similarity,
  },
  {
    name: "groundedness",
    title: "Grounded",
    meaning: "Share of an answer's content that stands in the passages it was given; wording, not truth",
    better: "higher",
    unit: "share",
    of: whenAnswered((s) => s.groundedness),
  },
  {
    name: "sameLanguage",
    title: "Same language",
    meaning: "Answers in the language of their question",
    better: "higher",
    unit: "share",
    of: whenAnswered((s) => s.sameLanguage),
  },
  {
    name: "units",
    title: "Length",
    meaning: "Words of an answer (characters in Japanese)",
    better: "neither",
    unit: "number",
    of: (s) => s.units,
  },
  {
    name: "repetition",
    title: "Repetition",
    meaning: "Share of an answer that repeats itself",
    better: "lower",
    unit: "share",
    of: (s) => s.repetition,
  },
  { name: "seconds", title: "Latency", meaning: "Seconds to an answer", better: "lower", unit: "seconds", of: (s) => s.seconds },
  {
    name: "tokensPerSecond",
    title: "Tokens/s",
    meaning: "Tokens of the answer a second",
    better: "higher",
    unit: "rate",
    of: (s) => s.tokensPerSecond,
  },
  {
    name: "cost",
    title: "Cost",
    meaning: "US dollars an answer, where a price is known",
    better: "lower",
    unit: "dollars",
    of: (s) => s.cost,
  },
];
