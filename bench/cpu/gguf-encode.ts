/**
 * The encoders of GGUF blocks against ggml's, one thread each, on the same values; in processor time, which a busy machine changes less than the clock.
 *
 *   npm --prefix bench/parity install --omit=optional --ignore-scripts --no-package-lock
 *   npx tsx bench/cpu/gguf-encode.ts
 */

import type { GgufBlockFormat } from "../../src/backend/backend.ts";
import { openCpuBackend } from "../../src/backend/cpu/open-cpu.ts";
import { GGML_TYPES, type GgmlType } from "../../src/formats/ggml-types.ts";
import { Arena } from "../../src/tensor/arena.ts";
import { Tensor } from "../../src/tensor/tensor.ts";
import { openLlamaLibrary } from "../parity/llama-library.ts";

const [ROWS, COLUMNS, RUNS] = [512, 4096, 3];
const library = openLlamaLibrary();
const backend = openCpuBackend({ threads: 1 });
const arena = new Arena(backend);
const values = Tensor.take(arena, "f32", [ROWS, COLUMNS], "values");
backend.random(values, 1n, 0.02, "normal");
const bytes = await backend.download(values);
const floats = new Float32Array(bytes.buffer, bytes.byteOffset, ROWS * COLUMNS);

function cpuSeconds(run: () => void): number {
  const times = Array.from({ length: RUNS }, () => {
    const before = process.cpuUsage();
    run();
    const { user, system } = process.cpuUsage(before);
    return (user + system) / 1e6;
  });
  return times.sort((a, b) => a - b)[RUNS >> 1]!;
}

for (const format of ["q8_0", "q4_0", "q5_0", "q5_1", "q4_k", "q5_k", "q6_k"] as GgufBlockFormat[]) {
  const { id, blockElements, blockBytes } = GGML_TYPES[format.toUpperCase() as GgmlType];
  const size = (floats.length / blockElements) * blockBytes;
  const blocks = Tensor.take(arena, "u8", [size], "blocks");
  const ours = cpuSeconds(() => backend.ggufEncode!(values, blocks, format));
  const theirs = cpuSeconds(() => void library.quantizeRows(id, floats, ROWS, size));
  blocks.release("the end of a format");
  const rate = (seconds: number) => Number((floats.length / seconds / 1e6).toFixed(1));
  const line = { format, millionsPerSecond: rate(ours), ggml: rate(theirs), timesAsFast: Number((theirs / ours).toFixed(2)) };
  process.stdout.write(`${JSON.stringify(line)}\n`);
}
