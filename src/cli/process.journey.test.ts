/**
 * The program as a process: exit codes, streams, signals. Killed at any moment, a run loses at most the steps since its last checkpoint and goes
 * on to the same end, to the bit.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { writeTinyModel } from "./testing/tiny-model.ts";

const MAIN = fileURLToPath(new URL("./main.ts", import.meta.url));
const ROOT = fileURLToPath(new URL("../..", import.meta.url));

interface Ended {
  code: number | null;
  signal: NodeJS.Signals | null;
  out: string;
  err: string;
}

/** Runs remora from its sources; `watch` sees standard output as it comes. */
function remora(words: string[], watch?: (out: string, child: ChildProcess) => void): Promise<Ended> {
  const child = spawn(process.execPath, ["--import", "tsx", MAIN, ...words], { cwd: ROOT, stdio: ["ignore", "pipe", "pipe"] });
  let [out, err] = ["", ""];
  child.stdout.setEncoding("utf8").on("data", (text: string) => {
    out += text;
    watch?.(out, child);
  });
  child.stderr.setEncoding("utf8").on("data", (text: string) => {
    err += text;
  });
  return new Promise((done) => child.on("close", (code, signal) => done({ code, signal, out, err })));
}

test("help is 0 on stdout, a wrong command 2 on stderr", async () => {
  const [help, wrong] = await Promise.all([remora(["--help"]), remora(["trian"])]);
  expect(help).toMatchObject({ code: 0, err: "" });
  expect(help.out).toContain("Usage: remora");
  expect(wrong).toMatchObject({ code: 2, out: "" });
  expect(wrong.err).toContain("did you mean train?");
});

describe("a run that is stopped", () => {
  let folder = "";
  let words: string[] = [];
  let whole: Ended;

  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), "remora-process-"));
    const model = await writeTinyModel(join(folder, "model"));
    const data = join(folder, "rows.jsonl");
    const rows = Array.from({ length: 48 }, (_, i) => ({ instruction: "n", input: `${i}`, output: `${i + 1}` }));
    writeFileSync(data, rows.map((row) => JSON.stringify(row)).join("\n"));
    words = ["train", "--model", model, "--data", data, "--max-steps", "12", "--block-length", "64", "--batch-size", "1"];
    words.push("--checkpoint-every-steps", "2", "--device", "cpu", "--threads", "1", "--lora-dropout", "0.1", "--json");
    whole = await remora([...words, "--out", join(folder, "whole")]);
  });
  afterAll(() => rmSync(folder, { recursive: true }));

  const adapter = (out: string) => readFileSync(join(folder, out, "adapter", "adapter_model.safetensors"));
  const steps = (out: string) =>
    out
      .split("\n")
      .filter((line) => line.includes('"step-end"'))
      .map((line) => JSON.parse(line) as { step: number; loss: number })
      .map(({ step, loss }) => [step, loss]);

  test.each([
    ["SIGINT", { code: 130, signal: null }],
    ["SIGTERM", { code: 130, signal: null }],
    ["SIGKILL", { code: null, signal: "SIGKILL" }],
  ] as const)("by %s ends so, and --resume reaches the same end", async (signal, expected) => {
    const out = join(folder, signal);
    let sent = false;
    const stopped = await remora([...words, "--out", out], (text, child) => {
      if (!sent && text.includes('"step":5,')) sent = child.kill(signal);
    });
    expect({ code: stopped.code, signal: stopped.signal }, stopped.err).toEqual(expected);
    const resumed = await remora([...words, "--out", out, "--resume"]);
    expect(resumed.code, resumed.err).toBe(0);
    const all = steps(whole.out);
    expect(all, whole.err).toHaveLength(12);
    const first = steps(resumed.out)[0]![0]!;
    expect(first).toBeGreaterThan(4);
    expect(steps(resumed.out)).toEqual(all.slice(first - 1));
    expect(adapter(signal).equals(adapter("whole"))).toBe(true);
    const metrics = steps(readFileSync(join(out, "metrics.jsonl"), "utf8"));
    expect(metrics).toEqual(all);
  });
});
