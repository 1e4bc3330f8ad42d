/** Precision and recall of the detector on 200 labelled answers, half of them never looked at while its words were chosen. */
import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { classifyAnswer } from "./no-answer.ts";

interface LabelledAnswer {
  readonly language: "en" | "ja";
  readonly answered: boolean;
  readonly kind: string;
  readonly question: string;
  readonly text: string;
}

const FEWEST = 0.95;

function read(half: string): LabelledAnswer[] {
  const content = readFileSync(new URL(`../../../fixtures/data/answers/${half}.jsonl`, import.meta.url), "utf8");
  return content
    .trimEnd()
    .split("\n")
    .map((line) => JSON.parse(line) as LabelledAnswer);
}

/** Of "no answer": how many found are right, how many there are were found. */
function figuresOf(answers: readonly LabelledAnswer[]) {
  const found = answers.filter(({ text, question }) => classifyAnswer({ text, question }) !== "answered");
  const right = found.filter(({ answered }) => !answered).length;
  return { precision: right / found.length, recall: right / answers.filter(({ answered }) => !answered).length };
}

describe("200 labelled answers", () => {
  const halves = { tuning: read("tuning"), "held-out": read("held-out") };
  const all = Object.values(halves).flat();

  test("are 100 in each language, half of them no answer, each once", () => {
    for (const language of ["en", "ja"]) {
      const own = all.filter((answer) => answer.language === language);
      expect([own.length, own.filter(({ answered }) => !answered).length]).toEqual([100, 50]);
    }
    expect(new Set(all.map(({ question, text }) => `${question}\n${text}`)).size).toBe(200);
  });

  test.each(Object.entries(halves))("%s: precision and recall", (_, answers) => {
    const { precision, recall } = figuresOf(answers);
    expect(precision).toBeGreaterThanOrEqual(FEWEST);
    expect(recall).toBeGreaterThanOrEqual(FEWEST);
  });

  test.each(["en", "ja"])("%s alone", (language) => {
    const { precision, recall } = figuresOf(all.filter((answer) => answer.language === language));
    expect(precision).toBeGreaterThanOrEqual(FEWEST);
    expect(recall).toBeGreaterThanOrEqual(FEWEST);
  });
});
