/**
 * A comparison from end to end with the model that ships: documents, rows, an adapter, four variants, a report with notes and an earlier run; stopped
 * and gone on; and what users get wrong. The answers of so small a model are babble; what surrounds them is not.
 */
import { cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { ReportData } from "../evaluation/report/report-data.ts";
import { shippedModels } from "../hub/shipped-models.ts";
import { makePdf } from "../retrieval/testing/make-pdf.ts";
import { loadLibrary } from "./library.ts";
import { runCli } from "./run-cli.ts";
import { fakeIo } from "./testing/fake-io.ts";

const EXAMPLE = join(import.meta.dirname, "../../examples/g7-brics");
const MODEL = shippedModels()[0]!;
const VARIANTS = ["base", "base+docs", "tuned", "tuned+docs"];
const PLACE = ["--device", "cpu", "--offline"];
let folder = "";
let index = "";
let questions = "";

async function remora(words: readonly string[], watch?: (interrupt: () => void) => () => void) {
  const io = { ...fakeIo({}, { columns: 200 }), library: loadLibrary };
  const stopWatching = watch?.(io.interrupt);
  const code = await runCli([...words], io);
  stopWatching?.();
  const shown = (text: string) => text.replaceAll(folder, ".");
  return { code, out: shown(io.out()), err: shown(io.err()) };
}
const compared = (out: string) => {
  const models = ["--model", MODEL, "--adapter", join(folder, "run/adapter"), "--index", index, "--limit", "1"];
  return ["eval", questions, "--variants", VARIANTS.join(","), ...models, "--max-tokens", "8", "--out", join(folder, out), ...PLACE];
};
const reportOf = (out: string) => JSON.parse(readFileSync(join(folder, out, "report.json"), "utf8")) as ReportData;
const linesOf = (file: string) =>
  existsSync(file)
    ? readFileSync(file, "utf8")
        .split("\n")
        .filter((line) => line !== "")
    : [];

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "remora-eval-"));
  index = join(folder, "index");
  const docs = join(folder, "docs");
  cpSync(join(EXAMPLE, "docs"), docs, { recursive: true });
  writeFileSync(join(docs, "locked.pdf"), makePdf(["x"], { encrypted: true }));
  writeFileSync(join(docs, "broken.pdf"), makePdf(["x"]).subarray(0, 40));
  const asked = linesOf(join(EXAMPLE, "questions.jsonl"));
  questions = join(folder, "questions.jsonl");
  const some = [...asked.slice(0, 3), ...asked.slice(10, 12), ...asked.slice(18, 20), ...asked.slice(20, 23)];
  writeFileSync(
    questions,
    [...some, some[0]!, '{"id":"empty","answer":"x"}', '{"id":"odd","question":"Why?","answerable":"maybe"}'].join("\n"),
  );

  const indexed = await remora(["index", docs, "--index", index, "--chunk-tokens", "96", "--overlap-tokens", "16"]);
  expect(indexed.code, indexed.err).toBe(0);
  expect(indexed.err).toContain("not read ./docs/locked.pdf: the PDF is encrypted and asks for a password");
  const rows = join(folder, "train.jsonl");
  const made = await remora(["ask", "--rows", join(EXAMPLE, "train.jsonl"), "--rows-out", rows, "--index", index, "--limit", "1"]);
  expect(made.code, made.err).toBe(0);
  const data = ["--data", rows, "--template", "instruct-context", "--max-steps", "4", "--out", join(folder, "run")];
  const trained = await remora(["train", "--model", MODEL, ...data, ...PLACE]);
  expect(trained.code, trained.err).toBe(0);
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

describe("eval", () => {
  test("stopped, it keeps what was answered, and goes on to the whole", async () => {
    const log = join(folder, "stopped/answers.jsonl");
    const stopped = await remora(compared("stopped"), (interrupt) => {
      const timer = setInterval(() => {
        if (linesOf(log).length < 12) return;
        clearInterval(timer);
        interrupt();
      }, 5);
      return () => clearInterval(timer);
    });
    expect(stopped.code, stopped.err).toBe(130);
    const kept = linesOf(log);
    expect(kept.length).toBeGreaterThanOrEqual(12);
    expect(kept.length).toBeLessThan(40);
    const resumed = await remora(compared("stopped"));
    expect(resumed.code, resumed.err).toBe(0);
    const all = linesOf(log);
    // Nothing was asked twice, and what was there stayed.
    expect(all).toHaveLength(40);
    expect(all.slice(0, kept.length)).toEqual(kept);
    expect(new Set(all.map((line) => (JSON.parse(line) as { key: string }).key)).size).toBe(40);

    const whole = await remora(compared("whole"));
    expect(whole.code, whole.err).toBe(0);
    const answers = (out: string) => reportOf(out).answers;
    const facts = (out: string) => answers(out).map(({ variant, id, error }) => ({ variant, id, error }));
    expect(facts("stopped")).toEqual(facts("whole"));
    // Which questions shared a batch depends on when it was stopped, and a sum's last bit on who shares the batch: a near tie may fall the other way.
    const same = answers("whole").filter(({ text }, index) => text === answers("stopped")[index]!.text);
    expect(same.length).toBeGreaterThanOrEqual(36);
  });

  test("four variants on ten questions; rows that cannot be used are named and the rest goes on", async () => {
    const { code, out, err } = await remora([...compared("whole"), "--json"]);
    expect(code).toBe(0);
    expect(err).toContain("10 questions, variants: base, base+docs, tuned, tuned+docs");
    expect(err).toContain("left out ./questions.jsonl, row 11: the id a01 was used before, in questions.jsonl row 1");
    expect(err).toContain("left out ./questions.jsonl, row 12: it has no question");
    expect(err).toContain("left out ./questions.jsonl, row 13: expected yes or no for answerable, found maybe");
    const result = JSON.parse(out) as { html: string; problems: unknown[]; failed: number; summary: ReportData["summary"] };
    expect(result).toMatchObject({ html: "./whole/report.html", failed: 0 });
    expect(result.problems).toHaveLength(3);
    expect(result.summary.variants.map(({ variant, count }) => [variant, count])).toEqual(VARIANTS.map((name) => [name, 10]));
    const report = reportOf("whole");
    expect(report.answers.filter(({ error }) => error !== undefined)).toEqual([]);
    expect(report.questions.map(({ category }) => category)).toContain("goal B");
    expect(report.questions[0]!.oldAnswer).toContain("Russia");
    expect(report.answers.find(({ variant, sources }) => variant === "base+docs" && sources!.length > 0)!.sources![0]!.title).toContain(
      ".md ›",
    );
    expect(err).toContain("not read ./docs/locked.pdf: the PDF is encrypted and asks for a password");
    expect(report.unreadDocuments!.map(({ document }) => document.slice(folder.length))).toEqual(["/docs/broken.pdf", "/docs/locked.pdf"]);
    expect(report.unreadDocuments![0]!.reason).toContain("expected a PDF, found damage");
    const unread = readFileSync(join(folder, "whole/unread-documents.csv"), "utf8").split("\r\n");
    expect(unread[2]).toContain("/docs/locked.pdf,the PDF is encrypted and asks for a password,Save a copy without a password.,");
    const page = readFileSync(join(folder, "whole/report.html"), "utf8");
    expect(page).toContain('<h2 id="unread">Documents that could not be read</h2>');
    expect(page).toMatch(/\/docs\/locked\.pdf<\/b>: the PDF is encrypted and asks for a password\. Tried /);
    expect(page).toContain("row 11: the id a01 was used before");
    expect(readFileSync(join(folder, "whole/answers.csv"), "utf8").split("\r\n")).toHaveLength(1 + 40 + 1);
  });

  test("report: notes that the page saved, and an earlier run beside it", async () => {
    writeFileSync(join(folder, "notes.json"), JSON.stringify({ notes: [{ variant: "tuned", id: "a01", thumb: "down", note: "babble" }] }));
    const words = ["report", join(folder, "whole"), "--notes", join(folder, "notes.json"), "--compare", join(folder, "stopped")];
    const { code, out, err } = await remora([...words, "--title", "Again"]);
    expect(code, err).toBe(0);
    expect(out).toContain("./whole/report.html");
    const report = reportOf("whole");
    expect(report).toMatchObject({ title: "Again", notes: [{ note: "babble" }] });
    expect(report.comparedWith!.changes.filter(({ metric }) => metric === "f1").every(({ differs }) => differs === "cannot tell")).toBe(
      true,
    );
    expect(readFileSync(join(folder, "whole/report.html"), "utf8")).toContain('value="babble"');
  });

  test("report: the same page in Japanese, and so again until told otherwise", async () => {
    const page = () => readFileSync(join(folder, "whole/report.html"), "utf8");
    expect(page()).toContain('<html lang="en">');
    for (const words of [["--language", "ja"], []]) {
      const { code, err } = await remora(["report", join(folder, "whole"), ...words]);
      expect(code, err).toBe(0);
      expect(page()).toContain('<h2 id="summary">何が役に立ったか</h2>');
    }
  });

  test("bad input ends with 2 and a way on, before anything is loaded", async () => {
    const refused = async (...words: string[]) => {
      const { code, err } = await remora(["eval", ...words, "--out", join(folder, "refused"), ...PLACE]);
      expect(code, err).toBe(2);
      return err;
    };
    const model = ["--model", MODEL];
    const table = join(folder, "table.csv");
    writeFileSync(table, "subject,remark\nx,y\n");
    expect(await refused(table, ...model)).toMatchInlineSnapshot(`
      "error: Reading ./table.csv
        expected a column with questions, found: subject, remark
        Map it by name: --columns question=<column>.
      "
    `);
    expect(await refused(questions, ...model, "--columns", "reference=gold")).toContain(
      "expected this column for reference, found only: id",
    );
    expect(await refused(questions, ...model, "--variants", "base,tuned")).toContain("tuned: expected one of base");
    expect(await refused(questions, ...model, "--variants", "base+docs")).toContain("base+docs needs documents, and no index was given");
    expect(await refused(questions, ...model, "--index", join(folder, "none"), "--variants", "base+docs")).toContain("there is no index");
    expect(await refused(questions, ...model, "--prices", "base=cheap")).toContain("expected two prices such as 0.15/0.60");
    expect(await refused(questions)).toContain("expected a base model, or variants that name theirs");
    expect(await refused(questions, "--variants", "gpt=mistral:small")).toContain("MISTRAL_API_KEY: expected the key in the environment");
    expect(await refused(join(folder, "nowhere.jsonl"), ...model)).toContain("nowhere.jsonl");
    mkdirSync(join(folder, "empty"));
    const empty = await remora(["index", join(folder, "empty"), "--index", join(folder, "never")]);
    expect(empty).toMatchObject({ code: 2, err: expect.stringContaining("found none") });
    const noReport = await remora(["report", join(folder, "empty")]);
    expect(noReport.code).toBe(2);
    writeFileSync(join(folder, "bad-notes.json"), '{"notes":[{"id":1}]}');
    const notes = await remora(["report", join(folder, "whole"), "--notes", join(folder, "bad-notes.json")]);
    expect(notes).toMatchObject({ code: 2, err: expect.stringContaining("Save the file from the report's page again.") });
  });
});
