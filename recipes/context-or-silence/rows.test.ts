/**
 * The rows of recipes/context-or-silence: what their script makes, half with an answer and half without, and held-out passages of their own. Its command
 * runs once with a few steps, on the small model: that it prints the table and writes the page. What a model learns takes the full number of steps.
 */
import { spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import { classifyAnswer } from "../../src/evaluation/no-answer/no-answer.ts";
import { makeRows, NOT_KNOWN, type Row } from "./make-rows.ts";

const ROOT = fileURLToPath(new URL("../..", import.meta.url));
const read = (name: string): (Row & { category?: string })[] =>
  readFileSync(join(ROOT, "recipes", "context-or-silence", name), "utf8")
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line));
const train = read("train.jsonl");
const heldOut = read("held-out.jsonl");
const isJapanese = ({ context }: Row) => /[\p{sc=Hiragana}]/u.test(context);
/** How many rows are Japanese and answerable, English and answerable … */
const counts = (rows: readonly Row[]) =>
  [true, false].flatMap((ja) =>
    [true, false].map((answerable) => rows.filter((row) => isJapanese(row) === ja && row.answerable === answerable).length),
  );

describe("recipes/context-or-silence", () => {
  it("train.jsonl is what make-rows.ts makes: half with an answer in the passage, half without, in both languages alike", () => {
    expect(train).toEqual(makeRows());
    expect(counts(train)).toEqual([120, 120, 120, 120]);
    for (const row of train) {
      if (row.answerable) expect(row.context).toContain(row.output);
      else expect(classifyAnswer({ text: row.output })).toBe("refused");
    }
    expect(new Set(train.filter(({ answerable }) => !answerable).map(({ output }) => output))).toEqual(new Set(Object.values(NOT_KNOWN)));
  });

  it("held-out.jsonl asks each of its passages twice, and shares no passage, question or first words with training", () => {
    expect(counts(heldOut)).toEqual([20, 20, 20, 20]);
    expect(new Set(heldOut.map(({ context }) => context)).size).toBe(40);
    for (const { answerable, output, context } of heldOut) {
      if (!answerable) expect(output).toBe("");
      // Word for word, but for a small word in front.
      else expect(context.toLowerCase()).toContain(output.replace(/^(?:at|from|in) /u, "").toLowerCase());
    }
    const known = new Set(train.flatMap(({ context, instruction }) => [context, instruction, context.slice(0, 12)]));
    expect(
      heldOut.filter(({ context, instruction }) => [context, instruction, context.slice(0, 12)].some((text) => known.has(text))),
    ).toEqual([]);
  });

  it("run.ts tunes, asks before and after, and prints the table", () => {
    const out = mkdtempSync(join(tmpdir(), "remora-context-"));
    try {
      const words = ["--import", "tsx", "recipes/context-or-silence/run.ts", "--out", out, "--steps", "3"];
      const { status, stdout, stderr } = spawnSync(process.execPath, words, { cwd: ROOT, encoding: "utf8" });
      expect(status, stderr).toBe(0);
      const lines = stdout.split("\n");
      const names = ["before, all", "before, English", "before, Japanese", "after, all", "after, English", "after, Japanese"];
      for (const [index, name] of names.entries()) {
        const [found, ...cells] = lines[index + 1]!.split(/ {2,}/u);
        expect(found).toBe(name);
        // The four cells hold every question once.
        expect(cells.slice(0, 4).reduce((sum, cell) => sum + Number(cell), 0)).toBe(name.endsWith("all") ? 80 : 40);
        expect(cells[5]).toMatch(/^\d+% \(\d+ to \d+\)$/);
      }
      expect(existsSync(join(out, "eval", "report.html"))).toBe(true);
      expect(existsSync(join(out, "run", "adapter", "adapter_model.safetensors"))).toBe(true);
    } finally {
      rmSync(out, { recursive: true });
    }
  });
});
