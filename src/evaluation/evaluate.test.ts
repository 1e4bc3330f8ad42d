/** A whole comparison of models behind addresses: costs, and everything that can go wrong with one item while the rest goes on. */
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { type ScriptedEndpoint, scriptedEndpoint } from "../asking/testing/scripted-endpoint.ts";
import { indexDocuments } from "../engine/index-documents.ts";
import { makePdf } from "../retrieval/testing/make-pdf.ts";
import { evaluate } from "./evaluate.ts";

let folder: string;
let questions: string;
let one: ScriptedEndpoint;
let two: ScriptedEndpoint;
/** As judge: it keeps to the format but for one question. As translator: it fails on one text. */
let helper: ScriptedEndpoint;
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "remora-evaluate-"));
  questions = join(folder, "questions.jsonl");
  const rows = [
    { id: "ottawa", question: "What is the capital of Canada?", answer: "Ottawa", answerable: true },
    { id: "slow", question: "Who is slow to answer?", answer: "Nobody", answerable: true },
    { id: "page", question: "Who answers with a page?", answer: "Nobody", answerable: true },
    { id: "broken", question: "Whose JSON is broken?", answer: "Nobody's", answerable: true },
    { id: "mayor", question: "カナダの首都の市長は誰ですか。", answerable: false },
  ];
  writeFileSync(questions, rows.map((row) => JSON.stringify(row)).join("\n"));
  one = await scriptedEndpoint(() => "It is Ottawa.");
  two = await scriptedEndpoint((content) => {
    if (content.includes("slow")) return { misbehave: "silent" };
    if (content.includes("page")) return { misbehave: "html" };
    if (content.includes("JSON")) return { misbehave: "json" };
    return content.includes("市長") ? "わかりません。" : "Ottawa";
  });
  helper = await scriptedEndpoint((content) => {
    if (content.startsWith("Compare"))
      return content.includes("市長") ? "Both have their merits." : '{"better": "tie", "why": "both right"}';
    return content.includes("Whose JSON") ? { misbehave: "html" } : "訳文";
  });
});
afterAll(async () => {
  for (const endpoint of [one, two, helper]) await endpoint[Symbol.asyncDispose]();
  rmSync(folder, { recursive: true });
});

const run = () =>
  evaluate({
    questions,
    variants: [`one=${one.name}`, `two=${two.name}`],
    prices: { one: "1000000/2000000" },
    judge: helper.name,
    translator: helper.name,
    out: join(folder, "out"),
    timeoutSeconds: 5,
    retries: 0,
  });

test("models that time out or answer nonsense, and a judge that ignores the format, are named item by item", async () => {
  const { report, files } = await run();
  const failed = report.answers.filter(({ error }) => error !== undefined).map(({ variant, id }) => `${variant} ${id}`);
  expect(failed).toEqual(["two slow", "two page", "two broken"]);
  expect(report.answers.find(({ id, variant }) => id === "slow" && variant === "two")!.error).toContain("no answer within 5 s");
  expect(report.judge!.pairs.map(({ id, score }) => [id, score])).toEqual([
    ["ottawa", 0.5],
    ["mayor", undefined],
  ]);
  expect(report.translationProblems!.map(({ text }) => text)).toEqual(["Whose JSON is broken?"]);
  const page = readFileSync(files.html, "utf8");
  expect(page).toContain("<li>two, question slow: Asking openai-compatible:");
  expect(page).toContain(
    "<li>one against two, question mayor (not counted): the judge&#39;s words hold no verdict: Both have their merits.</li>",
  );
  expect(page).toContain("<li>Not translated: “Whose JSON is broken?”: ");
  // What failed counts neither as an answer nor as silence.
  expect(report.summary.variants.map(({ variant, count }) => [variant, count])).toEqual([
    ["one", 5],
    ["two", 2],
  ]);
});

test("costs come from the tokens that the server counted, for models with a price", async () => {
  const { report } = await run();
  const [answer] = report.answers;
  expect(answer).toMatchObject({ variant: "one", id: "ottawa", promptTokens: 6, tokens: 3, cost: 6 * 1 + 3 * 2 });
  expect(report.answers.filter(({ variant, cost }) => variant === "two" && cost !== undefined)).toEqual([]);
  expect(report.variants[0]!.description).toBe(`${one.name}, at $1000000 a million tokens of prompts and $2000000 of answers`);
});

test("the judge may say what is no answer; where it cannot be understood, the phrases do", async () => {
  await using judge = await scriptedEndpoint((content) => {
    if (content.startsWith("Compare")) return '{"better": "tie"}';
    return content.includes("page") ? "Hm." : `{"answers": ${!content.includes("市長")}}`;
  });
  const { report, files } = await evaluate({
    questions,
    variants: `one=${one.name}`,
    judge: judge.name,
    noAnswer: "judge",
    out: join(folder, "silence"),
  });
  expect(report.answers.map(({ id, scores }) => [id, scores!.kind])).toEqual([
    ["ottawa", "answered"],
    ["slow", "answered"],
    ["page", "answered"],
    ["broken", "answered"],
    ["mayor", "refused"],
  ]);
  expect(report.judge!.silence!.filter(({ problem }) => problem !== undefined).map(({ id }) => id)).toEqual(["page"]);
  expect(readFileSync(files.html, "utf8")).toContain("one, question page (answered or not, told by its words): the judge");
  await expect(evaluate({ questions, variants: `one=${one.name}`, noAnswer: "judge" })).rejects.toThrow(
    "judge: required for noAnswer judge",
  );
});

test("a second run asks only for what failed", async () => {
  one.asked.length = 0;
  two.asked.length = 0;
  await run();
  expect(one.asked).toEqual([]);
  expect(two.asked.sort()).toEqual(["Who answers with a page?", "Who is slow to answer?", "Whose JSON is broken?"]);
});

test("documents and pages that could not be read are named, where variants answer from documents", async () => {
  const docs = join(folder, "docs");
  mkdirSync(docs);
  writeFileSync(join(docs, "canada.txt"), "The capital of Canada is Ottawa.");
  writeFileSync(join(docs, "locked.pdf"), makePdf(["x"], { encrypted: true }));
  const index = join(folder, "index");
  await indexDocuments({ documents: docs, index });
  const common = { questions, index, out: join(folder, "unread"), maxQuestions: 1 };
  const web = { web: true, webPages: "http://127.0.0.1:9/none", webCache: join(folder, "web") };
  const { report, files } = await evaluate({ ...common, ...web, variants: [`one=${one.name}`, "one+docs"] });
  expect(report.answers.map(({ error }) => error)).toEqual([undefined, undefined]);
  expect(report.unreadDocuments!.map(({ document, reason }) => [document.split("/").at(-1), reason])).toEqual([
    ["locked.pdf", "the PDF is encrypted and asks for a password"],
    ["none", expect.stringContaining("127.0.0.1")],
  ]);
  expect(readFileSync(files.unreadCsv!, "utf8")).toContain("127.0.0.1:9/none");
  // Nothing is asked again, so no page is read again: the answers still lack it.
  one.asked.length = 0;
  const again = await evaluate({ ...common, ...web, variants: [`one=${one.name}`, "one+docs"] });
  expect(one.asked).toEqual([]);
  expect(again.report.unreadDocuments).toEqual(report.unreadDocuments);
  // With other pages the answers are others.
  const others = await evaluate({ ...common, ...web, webPages: "http://127.0.0.1:9/other", variants: [`one=${one.name}`, "one+docs"] });
  expect(others.report.unreadDocuments!.map(({ document }) => document.split("/").at(-1))).toEqual(["locked.pdf", "other"]);
  const without = await evaluate({ ...common, variants: `one=${one.name}` });
  expect(without.report.unreadDocuments).toEqual([]);
  expect(existsSync(files.unreadCsv!)).toBe(false);
});

test("what is missing at the end is said before anything is asked", async () => {
  one.asked.length = 0;
  const asking = (more: object) => evaluate({ questions, variants: `one=${one.name}`, out: join(folder, "early"), ...more });
  await expect(asking({ judge: "openai:gpt-4o-mini" })).rejects.toThrow("OPENAI_API_KEY: expected the key in the environment");
  await expect(asking({ variants: [`one=${one.name}`, "two=mistral:small"] })).rejects.toThrow("MISTRAL_API_KEY");
  await expect(asking({ translator: join(folder, "nowhere") })).rejects.toThrow("nowhere");
  await expect(asking({ similarity: join(folder, "nowhere") })).rejects.toThrow("nowhere");
  await expect(asking({ compare: join(folder, "nowhere") })).rejects.toThrow("nowhere");
  expect(one.asked).toEqual([]);
});

test("a price for a model that nobody asks is refused, and so is a comparison without a model", async () => {
  await expect(evaluate({ questions, variants: `one=${one.name}`, prices: { gtp: "1/2" } })).rejects.toThrow(
    "prices.gtp: no variant asks this model; expected one of one",
  );
  await expect(evaluate({ questions })).rejects.toThrow("model: expected a base model, or variants that name theirs");
});
