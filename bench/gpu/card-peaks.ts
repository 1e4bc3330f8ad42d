/** What the card itself reaches: a bf16 product of 8192 × 8192 × 8192 on random values through cuBLASLt, and a copy, bytes read plus bytes written. */
import type { Backend } from "../../src/backend/backend.ts";
import { Arena } from "../../src/tensor/arena.ts";
import { Tensor } from "../../src/tensor/tensor.ts";

const SIZE = 8192;
const REPEATS = 20;

export async function measurePeaks(backend: Backend, size = SIZE): Promise<{ bf16Tflops: number; copyGbPerSecond: number }> {
  const arena = new Arena(backend);
  const take = (label: string) => Tensor.take(arena, "bf16", [size, size], label);
  const values = Tensor.take(arena, "f32", [size, size], "random values");
  const [x, w, y] = [take("x"), take("w"), take("y")];
  for (const [seed, tensor] of [x, w].entries()) {
    backend.random(values, BigInt(seed + 1), 1, "normal");
    backend.convert(values, tensor);
  }
  const group = { parts: [{ weight: { format: "bf16", rows: size, cols: size, data: w, path: "w" } as const }], dropout: 0 };
  const other = Tensor.take(arena, "f32", [size, size], "copy");
  const product = await medianSeconds(backend, () => backend.linearForward(group, x, y, null));
  const copy = await medianSeconds(backend, () => backend.copy(values, other));
  arena.dispose();
  return { bf16Tflops: (2 * size ** 3) / product / 1e12, copyGbPerSecond: (8 * size * size) / copy / 1e9 };
}

/** Seconds of one call: the median of five groups. */
async function medianSeconds(backend: Backend, run: () => void): Promise<number> {
  const times: number[] = [];
  for (let group = 0; group < 6; group++) {
    await backend.synchronize();
    const start = performance.now();
    for (let i = 0; i < REPEATS; i++) run();
    await backend.synchronize();
    if (group > 0) times.push((performance.now() - start) / 1000 / REPEATS);
  }
  return times.sort((a, b) => a - b)[2]!;
}
