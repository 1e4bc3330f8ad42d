/** What `npm run bench:gpu` runs: remora's settings, and its peers' with the same shapes. */
import type { DecodeBench } from "./decode-bench.ts";
import type { StepBench } from "./step-bench.ts";

export type Work =
  | "train 4x2048"
  | "train 2x2048"
  | "answer 1 row"
  | "answer 8 rows"
  | "answer 32 rows"
  | "answer 128 rows"
  | "prompt of 4000"
  | "peaks";

export interface Setting {
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
export const PEERS = {
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
export const asking = { ...nf4, promptTokens: 128, answerTokens: 128 } as const;
const SMALL_HEAD = { REMORA_CUDA_HEAD_ROWS: "0" };

export const SETTINGS: readonly Setting[] = [
  { name: "this card's peaks", who: "remora", work: "peaks" },
  { name: "NF4, cheap recompute", who: "remora", work: "train 4x2048", steps: { ...steps, policy: "cheap" } },
  {
    name: "NF4, cheap recompute, deterministic: false",
    who: "remora",
    work: "train 4x2048",
    steps: { ...steps, policy: "cheap" },
    environment: { REMORA_CUDA_DETERMINISTIC: "0" },
  },
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
  { name: "NF4, after 4,000 tokens", who: "remora", work: "answer 1 row", decode: { ...asking, batch: 1, promptTokens: 4000 } },
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
