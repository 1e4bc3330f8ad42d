import { mkdtempSync, readFileSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import type { AskRequest } from "../../config/reports.ts";
import { type AnswerVariantOptions, answerVariant, type Documents, type EvalModel, type LoggedAnswer } from "./answer-variant.ts";
import type { Question } from "./questions.ts";
import { RecordLog } from "./record-log.ts";

const questions: Question[] = ["one", "two", "three"].map((question) => ({ id: question, question, references: [], language: "en" }));

function fakeModel(reply: (request: AskRequest) => string): EvalModel & { asked: AskRequest[] } {
  const asked: AskRequest[] = [];
  return {
    asked,
    fingerprint: "fake 1",
    concurrency: 2,
    template: async () => "instruct",
    async ask(request) {
      asked.push(request);
      return { text: reply(request), finishReason: "end", promptTokens: 3, tokens: 2, seconds: 0.1 };
    },
    close: async () => {},
  };
}

const path = () => join(mkdtempSync(join(tmpdir(), "remora-answers-")), "answers.jsonl");
const openLog = (file: string) => new RecordLog<LoggedAnswer>(file, ({ key }) => key);
const plain = { name: "base", model: "base", documents: false };
const run = (model: EvalModel, log: RecordLog<LoggedAnswer>, rest: Partial<AnswerVariantOptions> = {}) =>
  answerVariant(questions, { variant: plain, model, log, now: () => 0, ...rest });

describe("answers of a variant", () => {
  test("in the questions' order; a second run asks nothing", async () => {
    const model = fakeModel((request) => `answer to ${(request as { row: { instruction: string } }).row.instruction}`);
    const file = path();
    const first = await run(model, openLog(file));
    expect(first.map(({ text }) => text)).toEqual(["answer to one", "answer to two", "answer to three"]);
    const again = await run(model, openLog(file));
    expect(again).toEqual(first);
    expect(model.asked).toHaveLength(3);
  });

  test("a failed question is named and asked again next time; the rest goes on", async () => {
    let broken = true;
    const model = fakeModel((request) => {
      if (broken && JSON.stringify(request).includes("two")) throw new Error("no answer within 60 s");
      return "fine";
    });
    const file = path();
    const first = await run(model, openLog(file));
    expect(first.map(({ text, error }) => error ?? text)).toEqual(["fine", "no answer within 60 s", "fine"]);
    broken = false;
    expect((await run(model, openLog(file))).map(({ text }) => text)).toEqual(["fine", "fine", "fine"]);
    expect(model.asked).toHaveLength(4);
  });

  test("stopping keeps what was answered", async () => {
    const controller = new AbortController();
    const file = path();
    const model = fakeModel(() => {
      controller.abort();
      return "first";
    });
    await expect(run({ ...model, concurrency: 1 }, openLog(file), { signal: controller.signal })).rejects.toThrow("Comparing answers");
    expect(readFileSync(file, "utf8").trim().split("\n")).toHaveLength(1);
  });

  test("another question text under the same id, another model, other documents: asked again", async () => {
    const file = path();
    const model = fakeModel(() => "x");
    await run(model, openLog(file));
    await answerVariant([{ ...questions[0]!, question: "one, differently" }], { variant: plain, model, log: openLog(file), now: () => 0 });
    await run({ ...model, fingerprint: "fake 2" }, openLog(file));
    expect(model.asked).toHaveLength(7);
  });

  test("from documents: sources are kept, and a question that nothing supports asks no model", async () => {
    const model = fakeModel(() => "1976 [1]");
    const documents: Documents = {
      fingerprint: "docs 1",
      async answer(question, asked, signal) {
        if (question === "three") return { text: "I do not know.", sources: [] };
        const answer = await asked.ask({ prompt: question }, { signal });
        return { text: answer.text, model: answer, sources: [{ title: "g7.md", text: "1976" }] };
      },
      unread: () => [],
      close: async () => {},
    };
    const answers = await run(model, openLog(path()), { variant: { name: "base+docs", model: "base", documents: true }, documents });
    expect(answers[0]).toMatchObject({ text: "1976 [1]", tokens: 2, sources: [{ title: "g7.md" }] });
    expect(answers[2]).toMatchObject({ text: "I do not know.", sources: [] });
    expect(answers[2]!.tokens).toBeUndefined();
    expect(model.asked).toHaveLength(2);
  });
});

describe("log of records", () => {
  test("a line torn by a crash is cut off, whole ones stay", () => {
    const file = path();
    writeFileSync(file, '{"key":"a","n":1}\n{"key":"b","n":2}\n{"key":"c","n"');
    using log = new RecordLog<{ key: string; n: number }>(file, ({ key }) => key);
    expect(log.size).toBe(2);
    log.add({ key: "a", n: 3 });
    expect(readFileSync(file, "utf8")).toBe('{"key":"a","n":1}\n{"key":"b","n":2}\n{"key":"a","n":3}\n');
    expect(log.get("a")?.n).toBe(3);
  });
});
