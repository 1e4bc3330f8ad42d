import { describe, expect, test } from "vitest";
import { scoreAnswer } from "./answer-scores.ts";
import type { Question } from "./questions.ts";
import { summarize } from "./summarize.ts";
import { summarySentences } from "./summary-sentences.ts";

const questions: Question[] = Array.from({ length: 20 }, (_, index) => ({
  id: `q${index}`,
  question: "What is the capital?",
  references: index < 15 ? [`city${index}`] : [],
  answerable: index < 15,
  category: index % 2 === 0 ? "goal A" : "goal B",
  language: "en",
}));
const answer = (variant: string, right: (index: number) => string) =>
  questions.map((question, index) => {
    const record = { variant, id: question.id, text: right(index), seconds: 0.5, tokens: 3 };
    return { variant, id: question.id, scores: scoreAnswer(question, record) };
  });

describe("summary of a comparison", () => {
  const base = answer("base", (index) => (index % 5 === 0 ? `city${index}` : "somewhere else"));
  const tuned = answer("tuned", (index) => (index < 15 ? `city${index}` : "I do not know."));
  const summary = summarize(questions, ["base", "tuned"], [...base, ...tuned]);

  test("figures by variant", () => {
    const [first, second] = summary.variants;
    expect(first!.metrics.exact!.mean).toBeCloseTo(3 / 15, 12);
    expect(second!.metrics.exact!.mean).toBe(1);
    expect(second!.answers).toMatchObject({ answered: { answerable: 15, unanswerable: 0 }, refused: { answerable: 0, unanswerable: 5 } });
    expect(second!.differences.exact).toMatchObject({ mean: 0.8, count: 15, differs: "higher" });
    expect(Object.keys(second!.byCategory)).toEqual(["goal A", "goal B"]);
    expect(second!.byCategory["goal A"]!.answers.refused.unanswerable).toBe(2);
  });

  test("a share of 0 or 1 has an interval too, the one of the table of answers", () => {
    const [first] = summary.variants;
    expect(first!.metrics.noAnswer).toMatchObject({ mean: 0, low: 0 });
    expect(first!.metrics.noAnswer!.high).toBeCloseTo(0.161, 3);
  });

  test("in words, with the interval", () => {
    expect(summary.sentences[0]).toMatch(
      /^tuned is better than base in F1 by 80\.0 points \(95% interval \+\d+\.\d to \+\d+\.\d, 15 questions\)\.$/,
    );
    expect(summary.sentences.at(-1)).toMatch(
      /tuned gives no answer to 25\.0% of the questions, more often than base by 25\.0 points\. It stays silent on 100\.0% of what has no answer \(base: 0\.0%\) and on 0\.0%/,
    );
  });

  test("the same in Japanese", () => {
    const sentences = summarySentences(summary, "ja");
    expect(sentences).toHaveLength(summary.sentences.length);
    expect(sentences[0]).toMatch(/^tuned は F1 で base を 80\.0 ポイント上回ります（95% 区間 \+\d+\.\d ～ \+\d+\.\d、15 問）。$/);
    expect(sentences.at(-1)).toBe(
      "tuned は質問の 25.0% に答えていません。base より 25.0 ポイント多くなっています。答えのない質問の 100.0%（base は 0.0%）、答えのある質問の 0.0%（base は 0.0%）に答えていません。",
    );
  });

  test("no difference is said to be none", () => {
    const same = summarize(questions, ["base", "again"], [...base, ...base.map((each) => ({ ...each, variant: "again" }))]);
    expect(same.sentences[0]).toMatch(/^Whether again is better than base in F1 cannot be told \(\+0\.0 points/);
  });
});
