import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, test } from "vitest";
import type { DemoSample, SaveReport } from "../../config/reports.ts";
import { scoreAnswers } from "./answer-rows.ts";
import { type DemoData, renderDemoPage } from "./demo-page.ts";
import { openTestRows, readDemoRows, readTestRows } from "./demo-rows.ts";
import { lossChart } from "./loss-curve.ts";

const folder = mkdtempSync(join(tmpdir(), "remora-demo-unit-"));
afterAll(() => rmSync(folder, { recursive: true }));

describe("rows", () => {
  const write = (name: string, text: string) => {
    writeFileSync(join(folder, name), text);
    return join(folder, name);
  };

  test("the demo's own: 2,000 to learn from, 200 to judge", async () => {
    const { trainCount, heldOut } = await readDemoRows();
    expect([trainCount, heldOut.length]).toEqual([2000, 200]);
    expect(new Set(heldOut.map(({ instruction }) => instruction))).toEqual(new Set(["次の文を英語に翻訳してください。"]));
  });

  test("a test file: TSV without a header line, or rows with names", async () => {
    const expected = [{ instruction: "T", input: "雨です。", output: "It is rain." }];
    expect(await readTestRows(write("pairs.tsv", "雨です。\tIt is rain.\n"), "T")).toEqual(expected);
    expect(await readTestRows(write("pairs.jsonl", '{"output":" It is rain. ","input":"雨です。","more":1}\n'), "T")).toEqual(expected);
  });

  test("without a file named: the first 200 of the project's beside the checkout, nothing where there is none", async () => {
    const root = join(folder, "checkout");
    const data = join(folder, "shared", "data", "translation");
    expect(await openTestRows(undefined, "T", root)).toBeUndefined();

    mkdirSync(data, { recursive: true });
    const lines = Array.from({ length: 201 }, (_, index) => `雨${index}。\tRain ${index}.\n`);
    writeFileSync(join(data, "test.tsv"), lines.join(""));
    const found = (await openTestRows(undefined, "T", root))!;
    expect([found.rows.length, found.of, found.file]).toEqual([200, 201, "../shared/data/translation/test.tsv"]);
    expect(found.rows[0]).toEqual({ instruction: "T", input: "雨0。", output: "Rain 0." });
    expect(found.rows[199]!.output).toBe("Rain 199.");

    const named = await openTestRows(write("pairs.tsv", "雨です。\tIt is rain.\n"), "T", root);
    expect(named).toMatchObject({ rows: [{ input: "雨です。" }], of: 1 });

    writeFileSync(join(data, "test.tsv"), "something else of that name\n");
    expect(await openTestRows(undefined, "T", root)).toBeUndefined();
  });

  test.each([
    ["one.tsv", "雨です。\tIt is rain.\n風だ。\t\n", /row 2, line 2: expected a sentence in input and one in output/],
    ["other.jsonl", '{"ja":"雨です。"}\n', /row 1, line 1: expected a sentence in input and one in output/],
    ["empty.tsv", "", /expected/],
  ])("%s is refused by row", async (name, text, message) => {
    await expect(readTestRows(write(name, text), "T")).rejects.toThrow(message);
  });
});

test("held-out sentences and the test file are scored apart", () => {
  const rows = ["one", "two", "three"].map((output) => ({ instruction: "", input: "", output }));
  expect(scoreAnswers(rows, ["one", "two", "xyz"], 2)).toEqual({ chrF: 100, count: 2, test: { chrF: 0, count: 1 } });
  expect(scoreAnswers(rows, ["one", "two", "three"], 3)).toEqual({ chrF: 100, count: 3 });
});

describe("loss curve", () => {
  const points = (text: string, name: string) =>
    new RegExp(`polyline class="${name}" points="([^"]*)"`)
      .exec(text)![1]!
      .split(" ")
      .map((point) => point.split(",").map(Number) as [number, number]);

  test("steps run to the right, losses down, everything inside the picture", () => {
    const steps = [4, 3, 2, 1.5].map((loss, index) => ({ step: index + 1, loss }));
    const { text } = lossChart({
      steps,
      evaluations: [
        { step: 0, loss: 4.2 },
        { step: 4, loss: 1.7 },
      ],
    });
    const raw = points(text, "raw");
    expect(raw).toHaveLength(4);
    for (let at = 1; at < raw.length; at++) {
      expect(raw[at]![0]).toBeGreaterThan(raw[at - 1]![0]);
      expect(raw[at]![1]).toBeGreaterThan(raw[at - 1]![1]);
    }
    for (const [x, y] of [...raw, ...points(text, "smooth"), ...points(text, "aside")]) {
      expect(x).toBeGreaterThanOrEqual(46);
      expect(x).toBeLessThanOrEqual(744);
      expect(y).toBeGreaterThanOrEqual(12);
      expect(y).toBeLessThanOrEqual(240);
    }
    expect(text).toContain("from 4.20 before training to 1.70 at step 4");
  });

  test("one step, equal losses", () => {
    expect(lossChart({ steps: [{ step: 1, loss: 2 }], evaluations: [] }).text).not.toMatch(/NaN|Infinity/);
  });
});

describe("page", () => {
  const page = renderDemoPage(sample());

  test("what a model said stays text, and the page connects to nothing", () => {
    expect(page).toContain("&#60;<mark>script&#62;</mark>");
    expect(page).not.toMatch(/<script|(?:src|href)="/);
    expect(page).toContain("default-src 'none'");
    expect(page).not.toContain("script-src");
  });

  test("figures of all three stages, the test file's, the proof, and the shown sentences before the others", () => {
    expect([...page.matchAll(/<p class="figure">([\d.]+)</g)].map(([, figure]) => figure)).toEqual(["10.0", "40.0", "39.0"]);
    expect(page).toContain("test file, 500 sentences: <b>21.0</b>");
    expect(page).toContain("pairs.tsv, its first 500 of 900 sentences");
    expect(page).toContain("98.4%");
    expect(page.indexOf("雨です。")).toBeLessThan(page.indexOf("The other sentence<"));
    expect(page.indexOf("風です。")).toBeGreaterThan(page.indexOf("The other sentence<"));
    expect(page).toContain("<i>(nothing)</i>");
  });
});

function sample(): DemoData {
  const sentences: DemoSample[] = [
    { input: "風です。", expected: "It is wind.", answers: { before: "", after: "It blows.", saved: "It blows." } },
    { input: "雨です。", expected: "It is rain.", answers: { before: "<script>", after: "It is rain.", saved: "It rains." } },
  ];
  const score = (chrF: number, test: number) => ({ chrF, count: 2, test: { chrF: test, count: 500 } });
  const closeness = { kl: 0.06, worstKl: 0.2, retained: 0.984, top1: 0.94, perplexity: 1.9 };
  const save = {
    format: "nf4",
    bytes: 3_000_000,
    mergeBase: { used: "original", reason: "" },
    tensors: { NF4: 42 },
    proof: {
      rows: 32,
      tokens: 400,
      saved: closeness,
      tuned: { perplexity: 1.8 },
      base: { kl: 3.9, perplexity: 41 },
      checks: [{ name: "end of text", ok: true, detail: "" }],
    },
  } as unknown as SaveReport;
  return {
    remora: "0.1.0",
    madeAt: "2026-11-26T12:00:00.000Z",
    report: {
      model: "small",
      device: "cpu",
      train: { steps: 2, tokens: 4000, tokensPerSecond: 1000, lossFirst: 3, lossLast: 1 },
      eval: { metric: "chrF", count: 2, before: 10, after: 40 },
      saved: [{ format: "nf4", retained: 0.984, top1: 0.94 }],
      seconds: 61,
    },
    instruction: "訳して",
    rows: { learnt: 1900, aside: 100 },
    test: { file: "pairs.tsv", rows: 500, of: 900 },
    scores: { before: score(10, 8), after: score(40, 21), saved: score(39, 20) },
    sentences,
    shown: [1],
    curve: {
      steps: [
        { step: 1, loss: 3 },
        { step: 2, loss: 1 },
      ],
      evaluations: [{ step: 0, loss: 3 }],
    },
    save,
  };
}
