/**
 * `remora demo` as a process, with few steps: what a script gets on standard output, what a person reads, and that nothing is left behind.
 * Whether the model really learns to translate takes the full number of steps; that is the demo itself.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { z } from "zod";
import { shippedModels } from "../hub/shipped-models.ts";

const MAIN = fileURLToPath(new URL("./main.ts", import.meta.url));
const ROOT = fileURLToPath(new URL("../..", import.meta.url));
const STEPS = 3;

/** Exactly these fields: scripts read them. */
const reportSchema = z.strictObject({
  model: z.literal("remora-toy"),
  device: z.literal("cpu"),
  train: z.strictObject({
    steps: z.literal(STEPS),
    tokens: z.int().positive(),
    tokensPerSecond: z.number().positive(),
    lossFirst: z.number().positive(),
    lossLast: z.number().positive(),
  }),
  eval: z.strictObject({
    metric: z.literal("chrF"),
    count: z.literal(200),
    before: z.number().min(0).max(100),
    after: z.number().min(0).max(100),
  }),
  seconds: z.number().positive(),
});

// Skipped where the shipped model is not there: it is made by recipes/remora-toy.
describe.skipIf(!shippedModels().includes("remora-toy"))("demo", () => {
  let temporary = "";
  beforeAll(() => {
    temporary = mkdtempSync(join(tmpdir(), "remora-demo-test-"));
  });
  afterAll(() => rmSync(temporary, { recursive: true }));
  const leftBehind = () => readdirSync(temporary).filter((name) => name.startsWith("remora"));

  /** `watch` sees standard error as it comes. */
  function demo(watch?: (err: string, child: ChildProcess) => void): Promise<{ code: number | null; out: string; err: string }> {
    const words = ["demo", "--json", "--device", "cpu", "--max-steps", `${STEPS}`];
    const child = spawn(process.execPath, ["--import", "tsx", MAIN, ...words], {
      cwd: ROOT,
      stdio: ["ignore", "pipe", "pipe"],
      env: { ...process.env, TMPDIR: temporary, TEMP: temporary },
    });
    let [out, err] = ["", ""];
    child.stdout.setEncoding("utf8").on("data", (text: string) => {
      out += text;
    });
    child.stderr.setEncoding("utf8").on("data", (text: string) => {
      err += text;
      watch?.(err, child);
    });
    return new Promise((done) => child.on("close", (code) => done({ code, out, err })));
  }

  test("tunes, compares, and says so in one JSON line", { timeout: 180_000 }, async () => {
    const { code, out, err } = await demo();
    expect(code, err).toBe(0);
    expect(out.endsWith("}\n")).toBe(true);
    const report = reportSchema.parse(JSON.parse(out.trimEnd().split("\n").at(-1)!));

    // Steps of warm-up see different rows, so the held-out loss is what must fall.
    const losses = [...err.matchAll(/(Before|After): held-out loss ([\d.]+), chrF ([\d.]+)/g)].map(([, stage, loss, chrF]) => ({
      stage,
      loss: Number(loss),
      chrF: Number(chrF),
    }));
    expect(losses.map(({ stage }) => stage)).toEqual(["Before", "After"]);
    expect(losses[1]!.loss).toBeLessThan(losses[0]!.loss);
    expect(losses[0]!.chrF).toBeCloseTo(report.eval.before, 0);
    expect(losses[1]!.chrF).toBeCloseTo(report.eval.after, 0);
    expect(err.match(/ expected /g)).toHaveLength(8);
    expect(err.match(/ answered /g)).toHaveLength(8);
    expect(leftBehind()).toEqual([]);
  });

  test("stopped by Ctrl-C: 130, one line of why, nothing left", { timeout: 180_000 }, async () => {
    let sent = false;
    const { code, out, err } = await demo((text, child) => {
      if (!sent && text.includes("step 1/3")) sent = child.kill("SIGINT");
    });
    expect(code, err).toBe(130);
    expect(err.trimEnd().split("\n").at(-1)).toBe("Stopped.");
    expect(JSON.parse(out)).toEqual({ error: { code: "cancelled", doing: "Running the demo", problem: "stopped on request" } });
    expect(leftBehind()).toEqual([]);
  });
});
