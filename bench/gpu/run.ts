/**
 * `npm run bench:gpu`: remora and its peers on the same card in one go, with the same shapes: LoRA steps of Mistral Nemo's shape, answers of 1 to 128
 * rows beside what the card's measured rates allow, and a long prompt. Each setting is a process of its own, so that a failure or a full card stops one line and not the run.
 *
 *   npm run bench:gpu [-- --only ours|peers] [--match regular expression on "work name"] [--all] [--seconds 90] [--total 900] [--out …]
 *   node .gpu/bench-gpu.mjs …            the same as one file, where there is no npm
 *
 * Prints a table and writes JSON: tokens/s, peak memory, TFLOP/s and their share of this card's measured peak, ratios against the peers. A peer that
 * cannot run is reported with its reason, never estimated. The file (bench/results/gpu.json unless --out) is written anew after each setting. `--all` adds settings that need more than 80 GB. Peers: bench/peers/peft-gpu.py
 * and bench/peers/unsloth-gpu.py (`PYTHON` names the interpreter; what it does not find of Unsloth's packages is the reason given).
 */
import { execFileSync, spawn, spawnSync } from "node:child_process";
import { existsSync, mkdirSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import process from "node:process";
import type { CudaBackend } from "../../src/backend/cuda/cuda-backend.ts";
import { openBackend } from "../../src/backend/open-backend.ts";
import { flopsPerToken } from "../../src/training/memory-plan.ts";
import { NEMO_SHAPE } from "../../src/training/testing/nemo-shape.ts";
import { answerCeiling, promptFlops } from "./answer-ceiling.ts";
import { measurePeaks } from "./card-peaks.ts";
import { benchDecode, type DecodeBench } from "./decode-bench.ts";
import { benchSteps, type StepBench } from "./step-bench.ts";

type Work =
  | "train 4x2048"
  | "train 2x2048"
  | "answer 1 row"
  | "answer 8 rows"
  | "answer 32 rows"
  | "answer 128 rows"
  | "prompt of 4000"
  | "peaks";

interface Setting {
  readonly name: string;
  readonly who: "remora" | "peer";
  readonly work: Work;
  /** Needs more memory than 80 GB, or is there for curiosity: only with --all. */
  readonly extra?: boolean;
  readonly environment?: Record<string, string>;
  readonly steps?: StepBench;
  readonly decode?: DecodeBench;
  readonly python?: readonly string[];
  /** A peer other than PEFT, by its key in PEERS. */
  readonly peer?: keyof typeof PEERS;
}

/** Scripts under bench/peers, and what they import beyond PyTorch and Transformers. `seconds`: the least time one setting gets, compiling included. */
const PEERS = {
  peft: { script: "peft-gpu.py", packages: [], seconds: 0 },
  unsloth: {
    script: "unsloth-gpu.py",
    packages: ["unsloth", "unsloth_zoo", "bitsandbytes", "peft", "trl", "datasets", "cut_cross_entropy", "msgspec", "tyro", "pydantic"],
    seconds: 200,
  },
} as const;

const nf4 = { layers: 40, linears: "nf4", compute: "bf16" } as const;
const steps = { ...nf4, blocks: 4, length: 2048, steps: 3, optimizerState: "f32" } as const;
const small = { ...steps, blocks: 2, optimizerState: "8bit", hostEmbedding: true } as const;
const asking = { ...nf4, promptTokens: 128, answerTokens: 128 } as const;
const SMALL_HEAD = { REMORA_CUDA_HEAD_ROWS: "0" };

const SETTINGS: readonly Setting[] = [
  { name: "this card's peaks", who: "remora", work: "peaks" },
  { name: "NF4, cheap recompute", who: "remora", work: "train 4x2048", steps: { ...steps, policy: "cheap" } },
  {
    name: "NF4 kept decoded, cheap recompute",
    who: "remora",
    work: "train 4x2048",
    steps: { ...steps, policy: "cheap" },
    environment: { REMORA_CUDA_KEEP_DECODED: "1" },
  },
  { name: "fp8 from NF4, cheap recompute", who: "remora", work: "train 4x2048", steps: { ...steps, fp8: true, policy: "cheap" } },
  { name: "fp8 from NF4, nothing recomputed", who: "remora", work: "train 4x2048", steps: { ...steps, fp8: true, policy: "none" } },
  { name: "NF4, nothing recomputed", who: "remora", work: "train 4x2048", steps: { ...steps, policy: "none" } },
  { name: "bf16 base, cheap recompute", who: "remora", work: "train 4x2048", steps: { ...steps, linears: "bf16", policy: "cheap" } },
  { name: "NF4, whole layers again", who: "remora", work: "train 4x2048", steps: { ...steps, policy: "layers" } },
  {
    name: "NF4, layers again, 8-bit state, host embedding",
    who: "remora",
    work: "train 2x2048",
    steps: { ...small, policy: "layers" },
    environment: SMALL_HEAD,
  },
  {
    name: "NF4, layer inputs on the host too",
    who: "remora",
    work: "train 2x2048",
    steps: { ...small, policy: "host" },
    environment: SMALL_HEAD,
  },
  { name: "NF4", who: "remora", work: "answer 1 row", decode: { ...asking, batch: 1 } },
  { name: "NF4", who: "remora", work: "answer 8 rows", decode: { ...asking, batch: 8 } },
  { name: "NF4", who: "remora", work: "answer 32 rows", decode: { ...asking, batch: 32 } },
  { name: "NF4", who: "remora", work: "answer 128 rows", decode: { ...asking, batch: 128 } },
  {
    name: "NF4 kept decoded",
    who: "remora",
    work: "answer 32 rows",
    decode: { ...asking, batch: 32 },
    environment: { REMORA_CUDA_KEEP_DECODED: "1" },
  },
  {
    name: "NF4 kept decoded",
    who: "remora",
    work: "answer 128 rows",
    decode: { ...asking, batch: 128 },
    environment: { REMORA_CUDA_KEEP_DECODED: "1" },
  },
  { name: "NF4", who: "remora", work: "prompt of 4000", decode: { ...asking, batch: 1, promptTokens: 4000, answerTokens: 2 } },
  { name: "PEFT + bitsandbytes NF4, checkpointing", who: "peer", work: "train 4x2048", python: ["--base", "nf4", "--checkpointing"] },
  { name: "PEFT bf16, checkpointing", who: "peer", work: "train 4x2048", python: ["--checkpointing"] },
  {
    name: "PEFT + bitsandbytes NF4, checkpointing",
    who: "peer",
    work: "train 2x2048",
    python: ["--base", "nf4", "--checkpointing", "--batch", "2"],
  },
  { name: "Transformers + bitsandbytes NF4", who: "peer", work: "answer 1 row", python: ["--base", "nf4", "--decode", "64"] },
  { name: "Unsloth NF4, its checkpointing, 8-bit state", who: "peer", work: "train 4x2048", peer: "unsloth", python: [] },
  { name: "Unsloth NF4, its checkpointing, 8-bit state", who: "peer", work: "train 2x2048", peer: "unsloth", python: ["--batch", "2"] },
  { name: "Unsloth NF4", who: "peer", work: "answer 1 row", peer: "unsloth", python: ["--decode", "64"] },
  { name: "PEFT + bitsandbytes NF4", who: "peer", work: "train 4x2048", extra: true, python: ["--base", "nf4"] },
  { name: "PEFT bf16", who: "peer", work: "train 4x2048", extra: true, python: [] },
  { name: "Transformers bf16", who: "peer", work: "answer 1 row", extra: true, python: ["--decode", "64"] },
];
const list = process.argv.slice(2);
const option = (name: string, fallback: string) => (list.includes(name) ? list[list.indexOf(name) + 1]! : fallback);
const root = process.env.REMORA_ROOT ?? process.cwd();

if (list.includes("--setting")) await runHere(SETTINGS[Number(option("--setting", "0"))]!);
else await runAll();

/** In a process of its own: one of ours. Prints one JSON line. */
async function runHere({ steps: step, decode }: Setting): Promise<void> {
  let backend: CudaBackend | undefined;
  try {
    backend = (await openBackend(process.env.REMORA_BENCH_DEVICE ?? "cuda:0")) as CudaBackend;
    const result = step ? await benchSteps(backend, step) : decode ? await benchDecode(backend, decode) : await measurePeaks(backend);
    const card = { card: backend.device.model, memoryGb: backend.device.memoryBytes / 1e9, driver: backend.driverVersion };
    console.log(JSON.stringify({ ...card, ...result, reservedGb: backend.reservedBytes / 1e9 }));
  } catch (error) {
    console.log(JSON.stringify({ error: String((error as Error).message) }));
  } finally {
    backend?.dispose();
  }
}

interface Line {
  readonly name: string;
  readonly who: string;
  readonly work: Work;
  readonly error?: string;
  readonly tokensPerSecond?: number;
  readonly peakGb?: number;
  readonly [figure: string]: unknown;
}

async function runAll(): Promise<void> {
  const lines: Line[] = [];
  /** Not run, and why; kept in the results so that nobody takes silence for a comparison. */
  const notRun: { name: string; reason: string }[] = [];
  const only = option("--only", "");
  const match = option("--match", "");
  const limitMs = Number(option("--seconds", "90")) * 1000;
  const endsAt = performance.now() + Number(option("--total", "3600")) * 1000;
  const out = option("--out", join(root, "bench/results/gpu.json"));
  mkdirSync(dirname(out), { recursive: true });
  const keep = () => {
    const results = withShares(lines);
    const report = {
      commit: commit(),
      when: new Date().toISOString(),
      shape: "Mistral Nemo 12B, LoRA r16 on seven linears",
      results,
      notRun,
    };
    writeFileSync(out, `${JSON.stringify(report, null, 2)}\n`);
    return results;
  };
  for (const [index, setting] of SETTINGS.entries()) {
    if (setting.extra && !list.includes("--all")) continue;
    if (only && (setting.who === "peer") !== (only === "peers")) continue;
    if (match && !new RegExp(match).test(`${setting.work} ${setting.name}`)) continue;
    const peer = PEERS[setting.peer ?? "peft"];
    const missing = missingPackages(peer.packages);
    if (missing) {
      notRun.push({ name: `${setting.work} ${setting.name}`, reason: missing });
      continue;
    }
    const started = performance.now();
    const leftMs = endsAt - started;
    if (leftMs < 15_000) {
      lines.push(toLine(setting, { error: "left out: the time for the whole bench was over" }, 0));
      continue;
    }
    const [command, parameters] = setting.python
      ? [process.env.PYTHON ?? "python3", [join(root, "bench/peers", peer.script), ...setting.python]]
      : [process.execPath, [...process.execArgv, process.argv[1]!, "--setting", String(index)]];
    const ownLimitMs = Math.min(Math.max(limitMs, peer.seconds * 1000), leftMs);
    const found = await lastJson(command, parameters, { ...process.env, ...setting.environment }, ownLimitMs);
    const line = toLine(setting, found, (performance.now() - started) / 1000);
    lines.push(line);
    console.error(row(line));
    keep();
  }
  const results = keep();
  for (const line of results) console.log(row(line));
  for (const { name, reason } of notRun) console.log(`not run: ${name}: ${reason}`);
}

function toLine({ name, who, work, environment, decode }: Setting, found: Record<string, unknown>, seconds: number): Line {
  const peak = found.peakBytes === undefined ? undefined : Number(found.peakBytes) / 1e9;
  // Of a prompt what counts is the time to its first token.
  const prompt = work === "prompt of 4000" && found.firstTokenMs !== undefined ? decode!.promptTokens : undefined;
  const rate = prompt === undefined ? {} : { tokensPerSecond: (1000 * prompt) / Number(found.firstTokenMs) };
  return { name, who, work, environment, ...(peak === undefined ? {} : { peakGb: peak }), ...found, ...rate, seconds };
}

/**
 * Adds TFLOP/s (useful work, nothing counted twice) and the share of the measured peak to training and prompts, the ceiling of the card's measured
 * rates to answers, and ratios against peers.
 */
function withShares(lines: readonly Line[]): Line[] {
  const peaks = lines.find(({ work }) => work === "peaks");
  const peak = peaks?.bf16Tflops as number | undefined;
  const useful = flopsPerToken(NEMO_SHAPE, {
    method: "qlora",
    base: "nf4",
    embeddingFormat: "bf16",
    compute: "bf16",
    blockLength: 2048,
    batchSize: 1,
    gradientAccumulation: 1,
    recompute: "cheap",
    optimizerState: "f32",
    adapters: [],
  });
  return lines.map((line) => {
    const rate = line.tokensPerSecond;
    if (rate === undefined) return line;
    const flops = line.work.startsWith("train")
      ? useful
      : line.work === "prompt of 4000"
        ? promptFlops(NEMO_SHAPE, 4000) / 4000
        : undefined;
    const tflops = flops && (rate * flops) / 1e12;
    const ceilingTokensPerSecond = peaks && !peaks.error ? ceilingOf(line.work, peaks) : undefined;
    const against = Object.fromEntries(
      lines
        .filter((peer) => line.who === "remora" && peer.who === "peer" && peer.work === line.work && peer.tokensPerSecond)
        .map((peer) => [
          peer.name,
          { speed: rate / peer.tokensPerSecond!, memory: (line.peakGb ?? Number.NaN) / (peer.peakGb ?? Number.NaN) },
        ]),
    );
    return { ...line, tflops, shareOfPeak: tflops && peak ? tflops / peak : undefined, ceilingTokensPerSecond, against };
  });
}

/** Tokens a second that the card's measured rates allow, in the middle of the answers. */
function ceilingOf(work: Work, { copyGbPerSecond, bf16Tflops }: Line): number | undefined {
  const rows = work.match(/^answer (\d+) row/)?.[1];
  const peaks = { copy: Number(copyGbPerSecond) * 1e9, product: Number(bf16Tflops) * 1e12 };
  return rows === undefined ? undefined : answerCeiling(NEMO_SHAPE, Number(rows), asking.promptTokens + asking.answerTokens / 2, peaks);
}

function row(line: Line): string {
  const label = `${line.work} · ${line.who === "remora" ? "remora" : "peer"} · ${line.name}`.padEnd(78);
  if (line.error) return `${label} did not run: ${line.error.split("\n")[0]!.slice(0, 160)}`;
  if (line.work === "peaks")
    return `${label} ${Number(line.bf16Tflops).toFixed(0)} TFLOP/s bf16, copy ${Number(line.copyGbPerSecond).toFixed(0)} GB/s, ${line.card}`;
  const ceiling = Number(line.ceilingTokensPerSecond);
  const share = ceiling
    ? `, ${((100 * line.tokensPerSecond!) / ceiling).toFixed(0)}% of the ceiling of ${ceiling.toFixed(0)}`
    : line.shareOfPeak === undefined
      ? ""
      : `, ${Number(line.tflops).toFixed(0)} TFLOP/s = ${(100 * Number(line.shareOfPeak)).toFixed(0)}% of peak`;
  const against = Object.entries((line.against ?? {}) as Record<string, { speed: number; memory: number }>)
    .map(([name, { speed, memory }]) => `; ${speed.toFixed(2)}× the speed at ${memory.toFixed(2)}× the memory of ${name}`)
    .join("");
  return `${label} ${line.tokensPerSecond!.toFixed(1).padStart(8)} tok/s  ${Number(line.peakGb).toFixed(2).padStart(6)} GB${share}${against}`;
}

/** Which of these the interpreter does not find, as a sentence; undefined where it finds all. */
function missingPackages(packages: readonly string[]): string | undefined {
  if (packages.length === 0) return undefined;
  const code = "import importlib.util, sys; print(*[name for name in sys.argv[1:] if importlib.util.find_spec(name) is None])";
  const found = spawnSync(process.env.PYTHON ?? "python3", ["-c", code, ...packages], { encoding: "utf8" });
  if (found.error || found.status !== 0)
    return `the interpreter does not start: ${found.error?.message ?? found.stderr.trim().split("\n").at(-1)}`;
  const names = found.stdout.trim();
  return names
    ? `${process.env.PYTHON ?? "python3"} does not find ${names.split(" ").join(", ")} (bench/peers/unsloth-requirements.txt)`
    : undefined;
}

/** The last line of output that is JSON, or why there is none. */
function lastJson(
  command: string,
  parameters: readonly string[],
  env: NodeJS.ProcessEnv,
  limitMs: number,
): Promise<Record<string, unknown>> {
  return new Promise((resolve) => {
    const child = spawn(command, parameters, { env, stdio: ["ignore", "pipe", "pipe"] });
    let [out, err] = ["", ""];
    let late = false;
    const timer = setTimeout(() => {
      late = true;
      child.kill("SIGKILL");
    }, limitMs);
    child.stdout.on("data", (text) => {
      out += text;
    });
    child.stderr.on("data", (text) => {
      err = (err + text).slice(-2000);
    });
    child.on("error", (error) => resolve({ error: `${command} does not start: ${error.message}` }));
    child.on("close", (code, signal) => {
      clearTimeout(timer);
      const line = out
        .trim()
        .split("\n")
        .findLast((text) => text.startsWith("{"));
      if (line) return resolve(JSON.parse(line));
      const reason = late ? `no result within ${limitMs / 1000} s` : `exit ${code ?? signal}: ${err.trim().split("\n").at(-1) ?? ""}`;
      resolve({ error: reason });
    });
  });
}

function commit(): string {
  if (process.env.REMORA_COMMIT) return process.env.REMORA_COMMIT;
  if (!existsSync(join(root, ".git"))) return "unknown";
  return execFileSync("git", ["rev-parse", "HEAD"], { cwd: root, encoding: "utf8" }).trim();
}
