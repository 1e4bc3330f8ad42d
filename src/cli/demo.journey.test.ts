/**
 * `remora demo` as a process, with few steps: what a script gets on standard output, what a person reads, what is in the folder, and that a demo
 * that was stopped leaves nothing. Whether the model really learns to translate takes the full number of steps; that is the demo itself.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { z } from "zod";
import { SMALL_MODEL } from "../hub/shipped-models.ts";

const MAIN = fileURLToPath(new URL("./main.ts", import.meta.url));
const ROOT = fileURLToPath(new URL("../..", import.meta.url));
/** Enough that what is learnt is far more than what 4 bits round away, or the save would rightly be refused. */
const STEPS = 12;

const chrF = z.number().min(0).max(100);
const share = z.number().max(1);

/** Exactly these fields: scripts read them. */
const reportSchema = z.strictObject({
  model: z.literal(SMALL_MODEL),
  device: z.literal("cpu"),
  train: z.strictObject({
    steps: z.literal(STEPS),
    tokens: z.int().positive(),
    tokensPerSecond: z.number().positive(),
    lossFirst: z.number().positive(),
    lossLast: z.number().positive(),
  }),
  eval: z.strictObject({ metric: z.literal("chrF"), count: z.literal(200), before: chrF, after: chrF }),
  test: z.strictObject({ metric: z.literal("chrF"), count: z.literal(2), before: chrF, after: chrF }),
  saved: z.tuple([z.strictObject({ format: z.literal("nf4"), retained: share, top1: share.min(0) })]),
  seconds: z.number().positive(),
});

// Skipped where no small model is there: recipes/ makes it.
describe("demo", () => {
  let temporary = "";
  beforeAll(() => {
    temporary = mkdtempSync(join(tmpdir(), "remora-demo-test-"));
    writeFileSync(join(temporary, "test.tsv"), "雨です。\tIt is rain.\n駅はどこですか。\tWhere is the station?\n");
  });
  afterAll(() => rmSync(temporary, { recursive: true }));

  /** `watch` sees standard error as it comes. */
  function demo(
    out: string,
    more: readonly string[] = [],
    watch?: (err: string, child: ChildProcess) => void,
  ): Promise<{ code: number | null; out: string; err: string }> {
    const words = ["demo", "--json", "--device", "cpu", "--max-steps", `${STEPS}`, "--out", out, ...more];
    const child = spawn(process.execPath, ["--import", "tsx", MAIN, ...words], {
      cwd: ROOT,
      stdio: ["ignore", "pipe", "pipe"],
      env: { ...process.env, TMPDIR: temporary, TEMP: temporary },
    });
    let [printed, err] = ["", ""];
    child.stdout.setEncoding("utf8").on("data", (text: string) => {
      printed += text;
    });
    child.stderr.setEncoding("utf8").on("data", (text: string) => {
      err += text;
      watch?.(err, child);
    });
    return new Promise((done) => child.on("close", (code) => done({ code, out: printed, err })));
  }

  test("tunes, saves, compares, and says so in one JSON line and on a page", { timeout: 180_000 }, async () => {
    const folder = join(temporary, "demo");
    const { code, out, err } = await demo(folder, ["--test-file", join(temporary, "test.tsv")]);
    expect(code, err).toBe(0);
    expect(out.endsWith("}\n")).toBe(true);
    const report = reportSchema.parse(JSON.parse(out.trimEnd().split("\n").at(-1)!));

    // Steps of warm-up see different rows, so the held-out loss is what must fall.
    const losses = [...err.matchAll(/held-out loss ([\d.]+)/g)].map(([, loss]) => Number(loss));
    expect(losses.at(-1)!).toBeLessThan(losses[0]!);
    const stages = [
      ...err.matchAll(/(Before|After|Saved): chrF ([\d.]+) over 200 held-out sentences, ([\d.]+) over the 2 of the test file/g),
    ];
    expect(stages.map(([, stage]) => stage)).toEqual(["Before", "After", "Saved"]);
    expect(Number(stages[0]![2])).toBeCloseTo(report.eval.before, 0);
    expect(Number(stages[1]![2])).toBeCloseTo(report.eval.after, 0);
    expect(Number(stages[1]![3])).toBeCloseTo(report.test.after, 0);
    for (const word of ["expected", "before", "after", "saved"]) expect(err.match(new RegExp(`^    ${word} `, "gm"))).toHaveLength(10);
    // The run goes on from where the held-out sentences have no say.
    expect(JSON.parse(readFileSync(join(folder, "run", "config.json"), "utf8")).validation).toMatchObject({ count: 100 });

    const page = readFileSync(join(folder, "demo.html"), "utf8");
    expect(page).toContain("default-src 'none'");
    expect(page).not.toMatch(/(?:src|href)="|<script/);
    expect(page.match(/<th scope="row"><span lang="ja">/g)).toHaveLength(200);
    expect(page).toContain(`<p class="figure">${report.eval.after.toFixed(1)}</p>`);
    expect(page.match(/<circle class="aside"/g)!.length).toBeGreaterThan(1);
    expect(readdirSync(folder).sort()).toEqual(["demo.html", "demo.json", "run", "saved"]);
    const proof = JSON.parse(readFileSync(join(folder, "saved", "save-report.json"), "utf8")).proof.saved;
    expect(report.saved[0]).toMatchObject({ retained: proof.retained, top1: proof.top1 });
  });

  test("stopped by Ctrl-C: 130, one line of why, nothing left", { timeout: 180_000 }, async () => {
    let sent = false;
    const folder = join(temporary, "stopped");
    const { code, out, err } = await demo(folder, [], (text, child) => {
      if (!sent && text.includes(`step 1/${STEPS}`)) sent = child.kill("SIGINT");
    });
    expect(code, err).toBe(130);
    expect(err.trimEnd().split("\n").at(-1)).toBe("Stopped.");
    expect(JSON.parse(out)).toEqual({ error: { code: "cancelled", doing: "Running the demo", problem: "stopped on request" } });
    expect(existsSync(folder)).toBe(false);
  });
});
