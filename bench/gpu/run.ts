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
import { measurePeaks } from "./card-peaks.ts";
import { benchDecode } from "./decode-bench.ts";
import { type Line, row, toLine, withShares } from "./result-lines.ts";
import { PEERS, SETTINGS, type Setting } from "./settings.ts";
import { benchSteps } from "./step-bench.ts";

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
