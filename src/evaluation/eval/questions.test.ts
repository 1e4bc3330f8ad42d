import { mkdtempSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { readQuestions } from "./questions.ts";

const folder = mkdtempSync(join(tmpdir(), "remora-questions-"));
function write(name: string, content: string): string {
  const path = join(folder, name);
  writeFileSync(path, content);
  return path;
}

describe("questions", () => {
  test("from CSV by common names", async () => {
    const file = write(
      "a.csv",
      "id,question,answer,old answer,category,answerable\nx,Capital of Canada?,Ottawa,Toronto,goal A,yes\n,G7の議長国は？,,,,no\n",
    );
    const { questions, problems } = await readQuestions([file]);
    expect(problems).toEqual([]);
    expect(questions).toEqual([
      {
        id: "x",
        question: "Capital of Canada?",
        references: ["Ottawa"],
        oldAnswer: "Toronto",
        category: "goal A",
        answerable: true,
        context: undefined,
        language: "en",
      },
      {
        id: "2",
        question: "G7の議長国は？",
        references: [],
        oldAnswer: undefined,
        category: undefined,
        answerable: false,
        context: undefined,
        language: "ja",
      },
    ]);
  });

  test("several references; columns mapped", async () => {
    const file = write("b.jsonl", '{"q":"When?","right":["1975","in 1975","1975"]}\n');
    const { questions } = await readQuestions([file], { columns: { question: "q", reference: "right" } });
    expect(questions[0]!.references).toEqual(["1975", "in 1975"]);
  });

  test("bad rows are named and left out", async () => {
    const file = write(
      "c.jsonl",
      '{"id":"1","question":"a?"}\n{"id":"1","question":"b?"}\n{"id":"3","question":" "}\n{"id":"4","question":"d?","answerable":"perhaps"}\n',
    );
    const { questions, problems } = await readQuestions([file]);
    expect(questions.map(({ id }) => id)).toEqual(["1"]);
    expect(problems.map(({ row, problem }) => `${row}: ${problem}`)).toEqual([
      "2: the id 1 was used before, in c.jsonl row 1",
      "3: it has no question",
      "4: expected yes or no for answerable, found perhaps",
    ]);
  });

  test("no column of questions, no usable row", async () => {
    await expect(readQuestions([write("d.csv", "foo,bar\n1,2\n")])).rejects.toThrow(/expected a column with questions, found: foo, bar/);
    await expect(readQuestions([write("e.jsonl", '{"question":""}\n')])).rejects.toThrow(
      /found 1 row that cannot be used, the first: it has no question/,
    );
    await expect(readQuestions([write("f.jsonl", '{"question":"a?"}\n')], { columns: { question: "nope" } })).rejects.toThrow(
      /expected this column for question/,
    );
  });
});
