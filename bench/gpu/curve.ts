/**
 * A real run through `remora train`'s own job, on the card and on the CPU: the same loss curve; twice on the card: equal to the bit; stopped in the
 * middle and resumed: equal to the bit.
 *
 *   node .gpu/curve.mjs --model model.gguf|folder --data rows.json [--device cuda:0] [--steps 16] [--tokens 1024] [--out file.json]
 */
import { cpSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import type { TrainConfigInput } from "../../src/config/schemas/train.ts";
import { trainJob } from "../../src/engine/train-job.ts";

const list = process.argv.slice(2);
const option = (name: string, fallback: string) => (list.includes(name) ? list[list.indexOf(name) + 1]! : fallback);
const device = option("--device", "cuda:0");
const steps = Number(option("--steps", "16"));
const blockLength = 256;
const work = mkdtempSync(join(tmpdir(), "remora-curve-"));
/** Largest difference of a step's loss: f32 sums in another order, grown by AdamW; 16-bit activations against f32. */
const LIMIT = { f32: 5e-3, bf16: 5e-2, f16: 5e-2 };

interface Run {
  losses: number[];
  seconds: number;
  tokensPerSecond: number;
  folder: string;
}

const results: { case: string; ok: boolean; [key: string]: unknown }[] = [];
try {
  const onCard = await train("card-f32", { device, compute: "f32" });
  const again = await train("card-f32-again", { device, compute: "f32" });
  report("two equal runs on the card, to the bit", sameAdapter(onCard, again) && onCard.losses.join() === again.losses.join(), {});
  const half = checkpointOf(onCard.folder, steps / 2);
  const resumed = await train("card-f32-resumed", { device, compute: "f32", resume: true }, half);
  report("stopped in the middle and resumed on the card, to the bit", sameAdapter(onCard, resumed), { steps: resumed.losses.length });
  const onCpu = await train("cpu-f32", { device: "cpu", compute: "f32" });
  curve("card f32 against CPU f32", onCard, onCpu, LIMIT.f32);
  for (const compute of ["bf16", "f16"] as const) {
    if (list.includes(`--no-${compute}`)) continue;
    curve(`card ${compute} against CPU f32`, await train(`card-${compute}`, { device, compute }), onCpu, LIMIT[compute]);
    // Decoded at each use, NF4 weights take LoRA's share along.
    const merged = await train(`card-${compute}-each-use`, { device, compute, decodedWeights: "each-use" });
    curve(`card ${compute}, weights decoded at each use, against CPU f32`, merged, onCpu, LIMIT[compute]);
  }
} catch (error) {
  report("the runs", false, { error: String((error as Error).stack) });
} finally {
  rmSync(work, { recursive: true, force: true });
}
const out = option("--out", "");
if (out) writeFileSync(out, `${JSON.stringify({ model: option("--model", ""), device, steps, results }, null, 2)}\n`);
process.exitCode = results.every(({ ok }) => ok) ? 0 : 1;

/** @param from a run folder to go on from */
async function train(name: string, config: Partial<TrainConfigInput>, from?: string): Promise<Run> {
  const folder = join(work, name);
  if (from) cpSync(from, folder, { recursive: true });
  const losses: number[] = [];
  const input: TrainConfigInput = {
    model: option("--model", "remora-tiny"),
    data: option("--data", ""),
    out: folder,
    method: "qlora",
    blockLength,
    batchSize: Number(option("--tokens", "1024")) / blockLength,
    maxSteps: steps,
    evalEvery: steps,
    checkpointEvery: { steps: steps / 2 },
    keepCheckpoints: 9,
    offline: true,
    seed: 7,
    ...config,
  };
  const end = await trainJob(input, {
    emit: (event) => {
      const { event: kind, loss } = event as { event: string; loss: number };
      if (kind === "step-end") losses.push(loss);
    },
    cancelFlag: new Int32Array(new SharedArrayBuffer(4)),
  });
  return { losses, seconds: end.seconds, tokensPerSecond: end.tokensPerSecond, folder };
}

/** A copy of the run as it was at that step: later checkpoints and the result taken away. */
function checkpointOf(folder: string, step: number): string {
  const copy = `${folder}-at-${step}`;
  cpSync(folder, copy, { recursive: true });
  rmSync(join(copy, "adapter"), { recursive: true, force: true });
  for (const name of readdirSync(join(copy, "checkpoints"))) {
    if (Number(name.replace("step-", "")) > step) rmSync(join(copy, "checkpoints", name), { recursive: true });
  }
  return copy;
}

function sameAdapter(a: Run, b: Run): boolean {
  const read = ({ folder }: Run) => {
    const checkpoints = join(folder, "checkpoints");
    return readFileSync(join(checkpoints, readdirSync(checkpoints).sort().at(-1)!, "adapter_model.safetensors"));
  };
  return read(a).equals(read(b));
}

function curve(name: string, card: Run, cpu: Run, limit: number): void {
  const difference = Math.max(...cpu.losses.map((loss, index) => Math.abs(loss - (card.losses[index] ?? Number.NaN))));
  report(name, difference <= limit && cpu.losses.length === steps, {
    largestDifference: difference,
    limit,
    cardLosses: card.losses,
    cpuLosses: cpu.losses,
    cardTokensPerSecond: card.tokensPerSecond,
    cpuTokensPerSecond: cpu.tokensPerSecond,
  });
}

function report(name: string, ok: boolean, more: Record<string, unknown>): void {
  results.push({ case: name, ok, ...more });
  const numbers =
    more.error ??
    (more.largestDifference === undefined ? "" : `largest difference ${Number(more.largestDifference).toExponential(2)} of ${more.limit}`);
  console.log(`${ok ? "ok    " : "FAILED"} ${name}${numbers ? `: ${numbers}` : ""}`);
}
