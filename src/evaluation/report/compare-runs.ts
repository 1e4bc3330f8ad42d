/** This run against an earlier one: for each variant that both have, the figures on the questions that both asked, paired. */
import { METRICS } from "../eval/metrics.ts";
import { pairedDifference } from "../statistics/bootstrap.ts";
import type { ReportAnswer, ReportData, RunChange } from "./report-data.ts";

export function compareRuns(before: ReportData, now: ReportData): RunChange[] {
  const questionOf = (data: ReportData) => new Map(data.questions.map(({ id, question }) => [id, question]));
  const [oldQuestions, newQuestions] = [questionOf(before), questionOf(now)];
  const answersOf = (data: ReportData, variant: string) =>
    new Map(data.answers.filter((answer) => answer.variant === variant && answer.scores).map((answer) => [answer.id, answer]));
  return now.variants.flatMap(({ name: variant }) => {
    const [old, current] = [answersOf(before, variant), answersOf(now, variant)];
    // An id may have been given to another question since.
    const both = [...current.keys()].filter((id) => old.has(id) && oldQuestions.get(id) === newQuestions.get(id));
    return METRICS.flatMap(({ name: metric, of }) => {
      const value = (answer: ReportAnswer) => of(answer.scores!);
      const pairs = both
        .map((id) => [value(old.get(id)!), value(current.get(id)!)] as const)
        .filter(([then, here]) => then !== undefined && here !== undefined);
      const [was, is] = [pairs.map(([then]) => then!), pairs.map(([, here]) => here!)];
      const difference = pairedDifference(was, is);
      if (!difference) return [];
      const mean = (values: readonly number[]) => values.reduce((sum, each) => sum + each, 0) / values.length;
      return [{ variant, metric, before: mean(was), now: mean(is), differs: difference.differs }];
    });
  });
}
