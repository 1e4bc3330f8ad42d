/** What examples/g7-brics/README.md says of its rows. */
import { readdirSync, readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { readQuestions } from "../../src/evaluation/eval/questions.ts";

const folder = new URL("./", import.meta.url);
const { questions, problems } = await readQuestions([new URL("questions.jsonl", folder).pathname]);
const train = readFileSync(new URL("train.jsonl", folder), "utf8")
  .trim()
  .split("\n")
  .map((line) => JSON.parse(line) as { question: string; answer: string });

describe("examples/g7-brics", () => {
  it("has 40 questions, half of each language and goal, ten without an answer, old answers for some", () => {
    const count = (of: (question: (typeof questions)[number]) => boolean) => questions.filter(of).length;
    expect(problems).toEqual([]);
    expect(questions).toHaveLength(40);
    expect(count(({ language }) => language === "ja")).toBe(20);
    expect(count(({ category }) => category === "goal A")).toBe(20);
    expect(count(({ category }) => category === "goal B")).toBe(20);
    expect(count(({ answerable }) => answerable === false)).toBe(10);
    expect(count(({ answerable, references }) => (answerable ? references.length !== 1 : references.length !== 0))).toBe(0);
    expect(count(({ oldAnswer }) => oldAnswer !== undefined)).toBe(18);
  });

  it("trains on none of them, and on not knowing too", () => {
    const asked = new Set(questions.map(({ question }) => question));
    expect(train).toHaveLength(48);
    expect(train.filter(({ question }) => asked.has(question))).toEqual([]);
    expect(train.filter(({ answer }) => answer === "I do not know." || answer === "わかりません。")).toHaveLength(10);
  });

  it("has each document in both languages", () => {
    const names = readdirSync(new URL("docs/", folder)).sort();
    expect(names).toEqual(["brics.ja.md", "brics.md", "figures.ja.md", "figures.md", "g7.ja.md", "g7.md"]);
  });
});
