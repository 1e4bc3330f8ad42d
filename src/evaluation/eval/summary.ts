/** What a comparison comes to: figures of each variant and how they differ from the first one's. */
import type { AnswerTable } from "../no-answer/answer-table.ts";
import type { Difference, Interval } from "../statistics/bootstrap.ts";

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
  /** In English; a Japanese page says the same in its own words. */
  readonly sentences: readonly string[];
}
