/**
 * Nemo's four linears both ways at 8,192 rows, E4M3 beside bf16: milliseconds of the whole op, of rounding alone, and what rate the 8-bit product has
 * when the rounding is taken off. Without adapters cuBLASLt writes its result, with rank 16 it adds to what the adapter wrote. Verified first: y
 * against bf16 weights and rows that hold the same values, whose product in bf16 is exact but for the order of its sums.
 *
 *   [REMORA_CUDA_FP8_FAST=0|1] node .gpu/fp8-products.mjs [--rows 8192] [--device cuda:0]
 */
import process from "node:process";
import type { DType, LinearOperand, LoraOperand, WeightOperand } from "../../src/backend/backend.ts";
import { openBackend } from "../../src/backend/open-backend.ts";
import { Arena } from "../../src/tensor/arena.ts";
import { Tensor } from "../../src/tensor/tensor.ts";

const list = process.argv.slice(2);
const option = (name: string, fallback: string) => (list.includes(name) ? list[list.indexOf(name) + 1]! : fallback);
const rows = Number(option("--rows", "8192"));
const shapes: readonly (readonly [name: string, Out: number, In: number])[] = JSON.parse(
  option("--shapes", '[["qkv",6144,5120],["o",5120,4096],["gate|up",28672,5120],["down",5120,14336]]'),
);
const REPEATS = 12;
const RANK = 16;

const backend = await openBackend(option("--device", "cuda:0"));
const arena = new Arena(backend);
try {
  const modes: Readonly<Record<string, string>> = { "0": "accumulation in f32", "1": "fast accumulation" };
  const mode = modes[process.env.REMORA_CUDA_FP8_FAST ?? ""] ?? "fast accumulation of short sums";
  console.log(`${backend.device.model}, ${rows} rows, E4M3 with ${mode}; ms, TFLOP/s of the 8-bit product without its rounding`);
  for (const [name, Out, In] of shapes) await measure(name, Out, In);
} catch (error) {
  console.log(String((error as Error).stack));
  process.exitCode = 1;
} finally {
  backend.dispose();
}

async function measure(name: string, Out: number, In: number): Promise<void> {
  const held: Tensor[] = [];
  const take = (dtype: DType, shape: readonly number[], label: string) => {
    const tensor = Tensor.take(arena, dtype, shape, label);
    held.push(tensor);
    return tensor;
  };
  const normal = (shape: readonly number[], seed: bigint, deviation: number) => {
    const values = take("f32", shape, "values");
    backend.random(values, seed, deviation, "normal");
    return values;
  };
  const bf16Of = (values: Tensor) => {
    const out = take("bf16", values.shape, "bf16");
    backend.convert(values, out);
    return out;
  };
  const fp8Of = (values: Tensor): WeightOperand => {
    const [count, width] = values.shape as [number, number];
    const data = take("u8", [count, width], "codes");
    const scales = take("f32", [count], "scales");
    backend.fp8Encode(values, data, scales);
    return { format: "e4m3", rows: count, cols: width, data, scales, path: name };
  };
  const rounded = (weight: WeightOperand): WeightOperand => {
    const data = take("bf16", [weight.rows, weight.cols], "rounded");
    backend.weightDecode(weight, data, 0, weight.rows);
    return { format: "bf16", rows: weight.rows, cols: weight.cols, data, path: name };
  };
  const weight = fp8Of(normal([Out, In], 1n, 0.02));
  const dense = rounded(weight);
  const x = bf16Of(normal([rows, In], 2n, 1));
  const exactX = rounded(fp8Of(normal([rows, In], 2n, 1))).data;
  const dY = bf16Of(normal([rows, Out], 3n, 1e-4));
  const lora: LoraOperand = { a: normal([RANK, In], 4n, 0.02), b: normal([Out, RANK], 5n, 0.02), rank: RANK, scale: 1 };
  const [y, other] = [take("bf16", [rows, Out], "y"), take("bf16", [rows, Out], "y of bf16")];
  const dX = take("bf16", [rows, In], "dX");
  const thin = take("bf16", [rows, RANK], "thin");
  const group = (from: WeightOperand, adapter?: LoraOperand): LinearOperand => ({ parts: [{ weight: from, lora: adapter }], dropout: 0 });
  const [fp8, bf16, fp8Lora] = [group(weight), group(dense), group(weight, lora)];

  backend.linearForward(fp8, exactX, y, null);
  backend.linearForward(bf16, exactX, other, null);
  const error = await largestError(y, other);

  const codes = take("u8", [rows, Math.max(In, Out)], "codes of rows");
  const scales = take("f32", [rows], "scales of rows");
  const flops = 2 * rows * Out * In;
  for (const [way, input, width, run] of [
    ["forward", x, In, (g: LinearOperand, xa: Tensor | null) => backend.linearForward(g, x, y, xa)],
    ["backward", dY, Out, (g: LinearOperand, db: Tensor | null) => backend.linearBackwardInput(g, dY, dX, db)],
  ] as const) {
    const round = await time(() => backend.fp8Encode(input, codes.view([rows, width]), scales));
    const plain = await time(() => run(fp8, null));
    const added = await time(() => run(fp8Lora, thin));
    const sixteen = await time(() => run(bf16, null));
    const rate = (ms: number) => (flops / ms / 1e9).toFixed(0);
    console.log(
      `${name} ${way}: bf16 ${sixteen.toFixed(3)} (${rate(sixteen)}) · e4m3 ${plain.toFixed(3)}, rounding ${round.toFixed(3)}, product ${rate(plain - round)} TFLOP/s` +
        ` · with rank ${RANK} ${added.toFixed(3)}${way === "forward" ? ` · largest difference ${error.toExponential(1)} of rms` : ""}`,
    );
  }
  await backend.synchronize();
  for (const tensor of held) tensor.release("the next shape");
}

/** Median milliseconds of a few batches of calls. */
async function time(run: () => void): Promise<number> {
  run();
  await backend.synchronize();
  const batches: number[] = [];
  for (let batch = 0; batch < 3; batch++) {
    const start = performance.now();
    for (let i = 0; i < REPEATS; i++) run();
    await backend.synchronize();
    batches.push((performance.now() - start) / REPEATS);
  }
  return batches.sort((a, b) => a - b)[1]!;
}

/** max |a − b| / rms(b) over the first rows, which is enough to see a wrong scale or row. */
async function largestError(a: Tensor, b: Tensor): Promise<number> {
  const count = Math.min(rows, 64) * a.shape[1]!;
  const read = async (from: Tensor) => {
    const wide = Tensor.take(arena, "f32", [count], "compared");
    backend.convert(from.view([count]), wide);
    const bytes = await backend.download(wide);
    wide.release("comparing");
    return new Float32Array(bytes.buffer, bytes.byteOffset, count);
  };
  const [left, right] = [await read(a), await read(b)];
  let [largest, squares] = [0, 0];
  for (let i = 0; i < count; i++) {
    largest = Math.max(largest, Math.abs(left[i]! - right[i]!));
    squares += right[i]! ** 2;
  }
  return largest / Math.sqrt(squares / count);
}
