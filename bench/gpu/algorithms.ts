/**
 * What cuBLASLt advises for the products of a Nemo step, beyond its first advice: milliseconds of each algorithm, in turns so that the card's clock is shared
 * fairly, and whether its result has the same bits as the first's. Decides whether the backend should look further than the first.
 *
 *   node .gpu/algorithms.mjs [--rows 8192] [--ranks 16] [--dtype bf16|e4m3]
 */
import process from "node:process";
import { cudaMemory } from "../../src/backend/cuda/cuda-memory.ts";
import { CudaRuntime } from "../../src/backend/cuda/cuda-runtime.ts";
import { findCuda } from "../../src/backend/cuda/probe-cuda.ts";
import { type Product, planKey } from "../../src/backend/cuda/product.ts";

const list = process.argv.slice(2);
const option = (name: string, fallback: string) => (list.includes(name) ? list[list.indexOf(name) + 1]! : fallback);
const rows = Number(option("--rows", "8192"));
const ranks = Number(option("--ranks", "16"));
const dtype = option("--dtype", "bf16") as "bf16" | "e4m3";
const ROUNDS = 3;
const REPEATS = 8;
const HEAD_ROWS = 2048;
const SHAPES: readonly (readonly [name: string, M: number, Out: number, In: number])[] = [
  ["qkv", rows, 6144, 5120],
  ["o", rows, 5120, 4096],
  ["gate|up", rows, 28672, 5120],
  ["down", rows, 5120, 14336],
  ["head", HEAD_ROWS, 131072, 5120],
];

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
cuda.op = "algorithms";
console.log(`${cards[0]!.model}, cuBLASLt ${library.version}, ${dtype}`);
const most = 131072 * 5120;
const values = (count: number, label: string) => {
  const memory = cudaMemory("algorithms", cuda.memory.allocate(count * 2, label));
  const bytes = new Uint8Array(count * 2);
  const words = new Uint16Array(bytes.buffer);
  let state = 1;
  for (let i = 0; i < 2 ** 20; i++) {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    // bf16 of either sign between 2^-9 and 2^1; E4M3 pairs without NaN.
    words[i] = dtype === "bf16" ? ((state >>> 16) & 0x8000) | (0x3b00 + ((state >>> 8) % 0x500)) : (state >>> 8) & 0xb7b7;
  }
  for (let at = 2 ** 20; at < count; at += 2 ** 20) words.copyWithin(at, 0, Math.min(2 ** 20, count - at));
  cuda.sendBytes(memory.address!, bytes);
  return memory.address!;
};
const [a, b, c] = [
  values(Math.max(rows * 28672, HEAD_ROWS * 131072), "a"),
  values(most, "b"),
  values(Math.max(rows * 28672, HEAD_ROWS * 131072), "c"),
];
const ones = cudaMemory("algorithms", cuda.memory.allocate(131072 * 4, "scales"));
cuda.sendBytes(ones.address!, new Uint8Array(new Float32Array(131072).fill(1).buffer));

let saved = 0;
for (const [name, M, Out, In] of SHAPES) {
  compare(`${name} forward`, { M, N: Out, K: In, transposeB: true }, name === "head" ? rows / HEAD_ROWS : 40);
  compare(`${name} backward`, { M, N: In, K: Out, transposeB: dtype === "e4m3" }, name === "head" ? rows / HEAD_ROWS : 40);
}
console.log(`a step would be ${saved.toFixed(1)} ms shorter`);
cuda.dispose();

function compare(name: string, { M, N, K, transposeB }: Pick<Product, "M" | "N" | "K" | "transposeB">, calls: number): void {
  const scales = dtype === "e4m3" ? { a: ones.address!, b: ones.address! } : undefined;
  const product: Product = {
    ...{ M, N, K, transposeB, dtype, outDType: "bf16", scales },
    a: { address: a, ld: K },
    b: { address: b, ld: transposeB ? K : N },
    c: { address: c, ld: N },
  };
  const times: number[][] = [];
  const hashes: bigint[] = [];
  const plans: string[] = [];
  for (let round = 0; round <= ROUNDS; round++) {
    for (let rank = 0; rank < ranks; rank++) {
      if (round > 0 && !plans[rank]) continue;
      if (!cuda.blas.choose("algorithms", product, rank)) break;
      const start = performance.now();
      for (let i = 0; i < (round === 0 ? 1 : REPEATS); i++) cuda.multiply(product);
      cuda.wait("algorithms");
      if (round > 0) times[rank]!.push((performance.now() - start) / REPEATS);
      else {
        times[rank] = [];
        plans[rank] = cuda.blas.plans.get(planKey(product))!;
        hashes[rank] = sampleHash(M * N);
      }
    }
  }
  const medians = times.map((list) => list.sort((x, y) => x - y)[Math.floor(list.length / 2)]!);
  const order = medians.map((_, rank) => rank).sort((x, y) => medians[x]! - medians[y]!);
  const same = order.filter((rank) => hashes[rank] === hashes[0]);
  const gain = (medians[0]! - medians[same[0]!]!) * calls;
  saved += gain;
  const rate = (rank: number) => ((2 * M * N * K) / medians[rank]! / 1e9).toFixed(0);
  const line = (rank: number) =>
    `  #${rank} ${medians[rank]!.toFixed(3)} ms ${rate(rank)} TFLOP/s ${hashes[rank] === hashes[0] ? "same bits" : "other bits"} ${plans[rank]}`;
  console.log(
    `${name}: first ${medians[0]!.toFixed(3)} ms ${rate(0)} TFLOP/s; best of the same bits #${same[0]} ${medians[same[0]!]!.toFixed(3)} ms, ${gain.toFixed(1)} ms a step`,
  );
  for (const rank of [...order.slice(0, 4), 0]) console.log(line(rank));
}

/** FNV-1a over 64 Ki bf16 at the start of C: enough to tell another order of sums. */
function sampleHash(count: number): bigint {
  const bytes = new Uint8Array(Math.min(count, 65536) * 2);
  cuda.staging.receive("algorithms", c, bytes, cuda.stream);
  let hash = 0xcbf29ce484222325n;
  for (const word of new BigUint64Array(bytes.buffer)) hash = BigInt.asUintN(64, (hash ^ word) * 0x100000001b3n);
  return hash;
}
