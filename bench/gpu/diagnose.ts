/**
 * How cuBLASLt rounds on this card: bf16 products of SmolLM2-135M's shapes against sums in f64. Without C: the share of results that are not the
 * sum's nearest bf16 number. With C (beta 1), the question of docs/log.md: which of the elements where it makes a difference are rounded once,
 * round(ab + c), and which twice, round(round(ab) + c).
 *
 *   node .gpu/diagnose.mjs [--rows 1024]
 */
import process from "node:process";
import { cudaMemory } from "../../src/backend/cuda/cuda-memory.ts";
import { CudaRuntime } from "../../src/backend/cuda/cuda-runtime.ts";
import { findCuda } from "../../src/backend/cuda/probe-cuda.ts";

/** Rows of the result that are compared. */
const COMPARED = 32;
const SHAPES = [
  { name: "qkv forward", N: 960, K: 576, transposeB: true },
  { name: "gate|up forward", N: 3072, K: 576, transposeB: true },
  { name: "down forward", N: 576, K: 1536, transposeB: true },
  { name: "qkv backward", N: 576, K: 960, transposeB: false },
  { name: "gate|up backward", N: 576, K: 3072, transposeB: false },
  { name: "adapters up", N: 960, K: 48, transposeB: true },
] as const;

const list = process.argv.slice(2);
const rows = Number(list.includes("--rows") ? list[list.indexOf("--rows") + 1] : 1024);
const found = findCuda();
if ("reason" in found) throw new Error(found.reason);
const { driver, images, library, cards } = found;
const options = {
  cancelFlag: undefined,
  profile: false,
  debug: false,
  keepDecoded: false,
  headRows: 0,
  deterministic: true,
};
const cuda = new CudaRuntime(driver, cards[0]!, images, library, options);
cuda.op = "diagnose";
console.log(`${cards[0]!.model}, cuBLASLt ${library.version}`);
for (const shape of SHAPES) diagnose(shape);
cuda.dispose();

function diagnose({ name, N, K, transposeB }: (typeof SHAPES)[number]): void {
  const random = randomNumbers(N * 31 + K);
  const a = bf16Array(rows * K, () => random());
  const b = bf16Array(N * K, () => random() / Math.sqrt(K));
  // As small beside the product as an adapter's share in its first steps, so that rounding twice loses most of it.
  const c = bf16Array(rows * N, () => random() / 512);
  const put = (values: Uint16Array, label: string) => {
    const memory = cudaMemory("diagnose", cuda.memory.allocate(values.byteLength, label));
    cuda.sendBytes(memory.address!, new Uint8Array(values.buffer));
    return memory.address!;
  };
  const [left, right] = [put(a, "a"), put(b, "b")];
  const ld = transposeB ? K : N;
  const run = (beta: 0 | 1) => {
    const target = put(c, "c");
    cuda.multiply({
      a: { address: left, ld: K },
      b: { address: right, ld },
      c: { address: target, ld: N },
      M: rows,
      N,
      K,
      transposeB,
      dtype: "bf16",
      beta,
    });
    const bytes = new Uint8Array(rows * N * 2);
    cuda.staging.receive("diagnose", target, bytes, cuda.stream);
    return new Uint16Array(bytes.buffer);
  };
  const [plain, added] = [run(0), run(1)];
  let far = 0;
  let [once, twice, neither] = [0, 0, 0];
  for (let m = 0; m < Math.min(COMPARED, rows); m++) {
    for (let n = 0; n < N; n++) {
      let sum = 0;
      for (let k = 0; k < K; k++) sum += wide(a[m * K + k]!) * wide(b[transposeB ? n * K + k : k * N + n]!);
      const at = m * N + n;
      const near = wide(bf16(sum));
      if (plain[at] !== bf16(sum)) far++;
      const ways = [bf16(sum + wide(c[at]!)), bf16(near + wide(c[at]!))];
      if (ways[0] === ways[1]) continue;
      if (added[at] === ways[0]) once++;
      else if (added[at] === ways[1]) twice++;
      else neither++;
    }
  }
  const percent = (100 * far) / (Math.min(COMPARED, rows) * N);
  const ways = `with C rounded once ${once}, twice ${twice}, otherwise ${neither}`;
  console.log(`${name.padEnd(18)} ${rows}x${N}x${K}: ${percent.toFixed(2)}% not to nearest; ${ways}`);
  for (const [key, plan] of cuda.blas.plans) if (key.startsWith(`${rows}x${N}x${K} `)) console.log(`    ${key}: ${plan}`);
}

/** Uniform in ±√3, so of variance 1. */
function randomNumbers(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return (state / 2 ** 31 - 1) * Math.sqrt(3);
  };
}
function bf16Array(count: number, value: () => number): Uint16Array<ArrayBuffer> {
  return Uint16Array.from({ length: count }, () => bf16(value()));
}
/** To nearest even, from the f32 next to x: the f64 sums here are far from ties of f32. */
function bf16(x: number): number {
  const bits = new Uint32Array(Float32Array.of(x).buffer)[0]!;
  return ((bits + 0x7fff + ((bits >>> 16) & 1)) >>> 16) & 0xffff;
}
function wide(bits: number): number {
  return new Float32Array(Uint32Array.of(bits << 16).buffer)[0]!;
}
