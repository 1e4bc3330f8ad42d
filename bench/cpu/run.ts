/**
 * `npm run bench:cpu`: products, the LoRA step and the command line's start, beside the peer, on this machine in one run.
 *
 *   REMORA_PEER_PYTHON=/path/to/python npm run bench:cpu      a Python with fixtures/make/requirements.txt; without one the peer is left out
 *   REMORA_BENCH_ROUNDS=1                                    for a first look
 *
 * Every figure comes from a process of its own, ours and the peer's in turn, so that a slow minute of the machine hits both. Written to
 * bench/results/cpu.json with the commit. Quote ratios; single figures belong to the machine and the minute.
 */
import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, writeFileSync } from "node:fs";
import { cpus, loadavg } from "node:os";
import { performance } from "node:perf_hooks";
import { fileURLToPath } from "node:url";

const ROOT = fileURLToPath(new URL("../../", import.meta.url));
const ROUNDS = Number(process.env.REMORA_BENCH_ROUNDS ?? 2);

interface StepFigures {
  tokensPerSecond: { median: number; best: number };
  memory: { residentBefore: number; peakResident: number };
  [field: string]: unknown;
}

function run(command: string, args: readonly string[], env: Record<string, string> = {}): unknown[] {
  const result = spawnSync(command, args, { cwd: ROOT, env: { ...process.env, ...env }, encoding: "utf8", maxBuffer: 2 ** 28 });
  if (result.status !== 0) throw new Error(`${command} ${args.join(" ")} failed:\n${result.stderr}`);
  return result.stdout
    .split("\n")
    .filter((line) => line.startsWith("{"))
    .map((line) => JSON.parse(line) as unknown);
}

const tsx = (file: string, args: readonly string[], env?: Record<string, string>) => run("npx", ["tsx", file, ...args], env);
const say = (line: string) => process.stderr.write(`${line}\n`);

/** The settings of ours and the peer's whose figures are compared. */
const OURS: Readonly<Record<string, { args: string[]; env?: Record<string, string> }>> = {
  "remora bf16": { args: ["--base", "bf16"] },
  "remora NF4": { args: ["--base", "nf4"] },
  "remora f32": { args: ["--base", "f32", "--compute", "f32"] },
  "remora bf16, avx2": { args: ["--base", "bf16"], env: { REMORA_CPU: "avx2" } },
  "remora NF4, avx2": { args: ["--base", "nf4"], env: { REMORA_CPU: "avx2" } },
  "remora f32, avx2": { args: ["--base", "f32", "--compute", "f32"], env: { REMORA_CPU: "avx2" } },
};
/** Torch's own kernels, oneDNN and MKL, each held to AVX2: what REMORA_CPU=avx2 is compared with. In f32 alone: bf16 is emulated there, minutes a step. */
const PEER_AVX2 = { ATEN_CPU_CAPABILITY: "avx2", ONEDNN_MAX_CPU_ISA: "AVX2", MKL_ENABLE_INSTRUCTIONS: "AVX2" };
const PEERS: Readonly<Record<string, { args: string[]; env?: Record<string, string> }>> = {
  "PEFT f32 sdpa": { args: ["--dtype", "f32", "--attention", "sdpa"] },
  "PEFT bf16 sdpa": { args: ["--dtype", "bf16", "--attention", "sdpa"] },
  "PEFT f32 eager": { args: ["--dtype", "f32", "--attention", "eager"] },
  "PEFT bf16 eager": { args: ["--dtype", "bf16", "--attention", "eager"] },
  "PEFT f32 sdpa, avx2": { args: ["--dtype", "f32", "--attention", "sdpa"], env: PEER_AVX2 },
};

const steps: Record<string, StepFigures[]> = {};
const python = process.env.REMORA_PEER_PYTHON;
for (let round = 0; round < ROUNDS; round++) {
  for (const [name, { args, env }] of Object.entries(OURS)) {
    const [figures] = tsx("bench/cpu/lora-step.ts", ["--steps", "5", ...args], env) as [StepFigures];
    steps[name] = [...(steps[name] ?? []), figures];
    say(`${name}: ${figures.tokensPerSecond.median.toFixed(0)} tok/s, peak ${(figures.memory.peakResident / 1e9).toFixed(2)} GB`);
  }
  if (!python || !existsSync(python)) continue;
  for (const [name, { args, env }] of Object.entries(PEERS)) {
    const [raw] = run(python, ["bench/peers/peft-cpu.py", ...args, "--steps", "3", "--warmup", "1"], env) as [Record<string, number>];
    const figures: StepFigures = {
      ...raw,
      tokensPerSecond: { median: raw.tokensPerSecondMedian!, best: raw.tokensPerSecondBest! },
      memory: { residentBefore: raw.rssBeforeBytes!, peakResident: raw.peakRssBytes! },
    };
    steps[name] = [...(steps[name] ?? []), figures];
    say(`${name}: ${figures.tokensPerSecond.median.toFixed(0)} tok/s, peak ${(figures.memory.peakResident / 1e9).toFixed(2)} GB`);
  }
}

const median = (values: readonly number[]) => [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)]!;
const summary = Object.entries(steps).map(([name, runs]) => ({
  name,
  tokensPerSecond: median(runs.map((figures) => figures.tokensPerSecond.median)),
  best: Math.max(...runs.map((figures) => figures.tokensPerSecond.best)),
  peakResident: median(runs.map((figures) => figures.memory.peakResident)),
  aboveStart: median(runs.map(({ memory }) => memory.peakResident - memory.residentBefore)),
}));
/** Each of ours against the fastest setting of the peer on the same instruction sets. */
const ratios = summary
  .filter(({ name }) => name.startsWith("remora"))
  .flatMap(({ name, tokensPerSecond, peakResident, aboveStart }) => {
    const isAvx2 = name.endsWith("avx2");
    const peers = summary.filter((other) => other.name.startsWith("PEFT") && other.name.endsWith("avx2") === isAvx2);
    const best = peers.sort((a, b) => b.tokensPerSecond - a.tokensPerSecond)[0];
    if (!best) return [];
    return {
      name,
      against: best.name,
      speed: tokensPerSecond / best.tokensPerSecond,
      memory: peakResident / best.peakResident,
      memoryAboveStart: aboveStart / best.aboveStart,
    };
  });

const products = existsSync(`${ROOT}bench/cpu/matmul.ts`)
  ? { best: tsx("bench/cpu/matmul.ts", ["--json"]), avx2: tsx("bench/cpu/matmul.ts", ["--json"], { REMORA_CPU: "avx2" }) }
  : undefined;

const commit = spawnSync("git", ["rev-parse", "--short", "HEAD"], { cwd: ROOT, encoding: "utf8" }).stdout.trim();
const report = {
  commit,
  machine: { processor: cpus()[0]?.model, cores: cpus().length, loadBefore: loadavg()[0], node: process.version },
  helpMs: helpMs(),
  steps: summary,
  ratios,
  products,
};
mkdirSync(`${ROOT}bench/results`, { recursive: true });
writeFileSync(`${ROOT}bench/results/cpu.json`, `${JSON.stringify(report, null, 2)}\n`);
console.log(JSON.stringify({ helpMs: report.helpMs, steps: summary, ratios }, null, 2));

/** Whole process, median of seven. */
function helpMs(): number | undefined {
  const main = `${ROOT}dist/cli/main.js`;
  if (!existsSync(main)) return undefined;
  const times = Array.from({ length: 7 }, () => {
    const startedAt = performance.now();
    spawnSync(process.execPath, [main, "--help"]);
    return performance.now() - startedAt;
  });
  return median(times);
}
