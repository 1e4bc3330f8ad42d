/**
 * Matrix products of the CPU kernels at named shapes: forward and gradient of the input, dense, 4-bit and with LoRA, as the share of what the
 * multiply-add units can do, measured by registers alone in the same moment.
 *
 *   npx tsx bench/cpu/matmul.ts [--threads 2] [--only smollm2] [--json]        REMORA_CPU=avx2 for another instruction set
 *
 * Each operand set is first compared with kernels/reference on a few rows. Times are processor time of all threads (median), so that other
 * processes do not count; what they do to the caches still does. One JSON line a product on stdout with --json, a table on stderr.
 */
import { performance } from "node:perf_hooks";
import process from "node:process";
import { parseArgs } from "node:util";
import type { ActivationDType, Backend, LinearOperand, LoraOperand } from "../../src/backend/backend.ts";
import { openCpuBackend, openReferenceBackend } from "../../src/backend/cpu/open-cpu.ts";
import { Arena } from "../../src/tensor/arena.ts";
import { Tensor } from "../../src/tensor/tensor.ts";
import { randomMaker } from "./random-weights.ts";

interface Shape {
  name: string;
  N: number;
  Out: number;
  In: number;
}

const SHAPES: readonly Shape[] = [
  { name: "smollm2-135m/qkv/N=2048", N: 2048, Out: 960, In: 576 },
  { name: "smollm2-135m/gate_up/N=2048", N: 2048, Out: 3072, In: 576 },
  { name: "smollm2-135m/down/N=2048", N: 2048, Out: 576, In: 1536 },
  { name: "qwen3-0.6b/qkv/N=512", N: 512, Out: 4096, In: 1024 },
  { name: "llama-3.2-1b/down/N=512", N: 512, Out: 2048, In: 8192 },
  { name: "mistral-nemo/q/N=512", N: 512, Out: 4096, In: 5120 },
];
const RANK = 16;
const VERIFIED_ROWS = 33;
const SECONDS_PER_PRODUCT = 0.5;
/** bf16 keeps 8 bits, and its kernels round the weights too; f32 differs only in the order of sums. */
const TOLERANCE: Readonly<Record<string, number>> = { bf16: 6e-3, f32: 5e-6 };

type Base = "bf16" | "f32" | "nf4";
interface Operands {
  linear: LinearOperand;
  x: Tensor;
  y: Tensor;
  dX: Tensor;
  xa: Tensor | null;
  db: Tensor | null;
  release(): void;
}

async function makeOperands(
  backend: Backend,
  shape: Shape,
  N: number,
  base: Base,
  dtype: ActivationDType,
  lora: boolean,
): Promise<Operands> {
  const arena = new Arena(backend);
  const { Out, In } = shape;
  const { weight, owned } = await randomMaker(arena, base).matrix(shape.name, Out, In, "linear");
  const held: { release(by?: string): void }[] = [...owned];
  const take = (label: string, type: ActivationDType, rows: number, cols: number) => {
    const tensor = Tensor.take(arena, type, [rows, cols], label);
    held.push(tensor);
    return tensor;
  };
  const random = (label: string, type: ActivationDType, rows: number, cols: number, seed: bigint) => {
    const values = Tensor.take(arena, "f32", [rows, cols], label);
    backend.random(values, seed, 1, "normal");
    const tensor = take(label, type, rows, cols);
    backend.convert(values, tensor);
    values.release();
    return tensor;
  };
  let adapter: LoraOperand | undefined;
  if (lora) adapter = { a: random("A", "f32", RANK, In, 7n), b: random("B", "f32", Out, RANK, 8n), rank: RANK, scale: 0.1 };
  return {
    linear: { parts: [{ weight, lora: adapter }], dropout: 0 },
    x: random("x", dtype, N, In, 11n),
    y: random("y", dtype, N, Out, 12n),
    dX: take("d_x", dtype, N, In),
    xa: lora ? take("x A", dtype, N, RANK) : null,
    db: lora ? take("d B", dtype, N, RANK) : null,
    release: () => {
      for (const tensor of held) tensor.release();
    },
  };
}

function readValues(bytes: Uint8Array, dtype: ActivationDType): Float32Array {
  if (dtype === "f32") return new Float32Array(bytes.slice().buffer);
  const halves = new Uint16Array(bytes.slice().buffer);
  return new Float32Array(Uint32Array.from(halves, (half) => half << 16).buffer);
}

/** Largest normalized difference of y and d_x from kernels/reference on a few rows. */
async function verify(backend: Backend, shape: Shape, base: Base, dtype: ActivationDType, lora: boolean): Promise<number> {
  const reference = openReferenceBackend();
  const results: Float32Array[][] = [];
  for (const device of [backend, reference]) {
    const o = await makeOperands(device, shape, VERIFIED_ROWS, base, dtype, lora);
    device.linearBackwardInput(o.linear, o.y, o.dX, o.db); // before y is overwritten
    device.linearForward(o.linear, o.x, o.y, o.xa);
    results.push([readValues(await device.download(o.y), dtype), readValues(await device.download(o.dX), dtype)]);
    o.release();
  }
  reference.dispose();
  let worst = 0;
  for (const [which, found] of results[0]!.entries()) {
    const expected = results[1]![which]!;
    let error = 0;
    let size = 0;
    for (let i = 0; i < expected.length; i++) {
      error += (found[i]! - expected[i]!) ** 2;
      size += expected[i]! ** 2;
    }
    worst = Math.max(worst, Math.sqrt(error / size));
  }
  return worst;
}

const median = (values: readonly number[]) => [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)]!;

/** Medians over calls: processor seconds of all threads together, seconds by the clock, and the peak measured between the calls. */
function time(backend: Backend, dtype: ActivationDType, work: () => void): { cpu: number; wall: number; peak: number } {
  work();
  const [cpu, wall, peaks]: [number[], number[], number[]] = [[], [], []];
  for (let total = 0; total < SECONDS_PER_PRODUCT || cpu.length < 5; ) {
    peaks.push(backend.measurePeak!(dtype === "bf16" ? "bf16" : "f32", 0.002));
    const before = process.cpuUsage();
    const startedAt = performance.now();
    work();
    wall.push((performance.now() - startedAt) / 1000);
    const used = process.cpuUsage(before);
    cpu.push((used.user + used.system) / 1e6);
    total += wall.at(-1)!;
  }
  return { cpu: median(cpu), wall: median(wall), peak: Math.max(...peaks) };
}

const { values } = parseArgs({
  options: { threads: { type: "string", default: "1" }, only: { type: "string", default: "" }, json: { type: "boolean", default: false } },
});
const threads = Number(values.threads);
const backend = openCpuBackend({ threads });
process.stderr.write(`${backend.device.name}, ${threads} threads; GFLOP/s a thread and share of the peak\n`);
for (const shape of SHAPES.filter(({ name }) => name.includes(values.only))) {
  for (const dtype of ["bf16", "f32"] as const) {
    for (const base of ["bf16", "f32", "nf4"] as const) {
      for (const lora of [false, true]) {
        if (lora && base === "f32") continue;
        const difference = await verify(backend, shape, base, dtype, lora);
        if (!(difference <= TOLERANCE[dtype]!))
          throw new Error(`${shape.name} ${base} ${dtype}: differs from the reference by ${difference}`);
        const o = await makeOperands(backend, shape, shape.N, base, dtype, lora);
        const operations = 2 * shape.N * (shape.Out * shape.In + (lora ? RANK * (shape.Out + shape.In) : 0));
        const directions: [string, () => void][] = [
          ["forward", () => backend.linearForward(o.linear, o.x, o.y, o.xa)],
          ["d_x", () => backend.linearBackwardInput(o.linear, o.y, o.dX, o.db)],
        ];
        for (const [direction, work] of directions) {
          const { cpu, wall, peak } = time(backend, dtype, work);
          const gflops = operations / cpu / 1e9;
          const figures = {
            shape: shape.name,
            direction,
            activations: dtype,
            weights: base,
            lora: lora ? RANK : 0,
            gflopsPerThread: Number(gflops.toFixed(1)),
            shareOfPeak: Number(((gflops * 1e9 * threads) / peak).toFixed(3)),
            wallMs: Number((wall * 1000).toFixed(3)),
            difference: Number(difference.toExponential(1)),
          };
          if (values.json) process.stdout.write(`${JSON.stringify(figures)}\n`);
          const name = `${shape.name} ${direction}`.padEnd(36);
          const kind = `act ${dtype.padEnd(4)} w ${base.padEnd(4)} ${lora ? "LoRA" : "    "}`;
          process.stderr.write(`${name} ${kind} ${gflops.toFixed(1).padStart(6)} (${(figures.shareOfPeak * 100).toFixed(0)}%)\n`);
        }
        o.release();
      }
    }
  }
}
backend.dispose();
