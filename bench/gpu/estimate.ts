/**
 * `npx tsx bench/gpu/estimate.ts [--out bench/results/gpu-estimate.json]`: ESTIMATES for cards that nobody ran this on: tokens/s of a Nemo 12B
 * QLoRA step from counted operations and bytes (step-roofline.ts), its memory from the plan, and the longest context of a Llama-3.1-8B shape that
 * the ladder fits into 80 GB. The one measured card stands beside its own estimate, so that the error of the method shows.
 */
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import process from "node:process";
import type { DecoderShape } from "../../src/models/decoder-shape.ts";
import { readDecoderShape } from "../../src/models/registry.ts";
import { chooseLadder, type Ladder, type LadderAsked } from "../../src/training/memory-ladder.ts";
import { NEMO_SHAPE, nemoConfig } from "../../src/training/testing/nemo-shape.ts";
import { type CardRates, countStep, timeStep } from "./step-roofline.ts";

/** Data-sheet figures, dense, f32 sums: bf16 (or f16) FLOP/s, bytes/s, bytes. */
interface Card {
  readonly name: string;
  readonly product: number;
  readonly copy: number;
  readonly memory: number;
  /** wgmma and bulk copies: the Hopper attention kernels run. */
  readonly hopper?: boolean;
}

const CARDS: readonly Card[] = [
  { name: "H100 80GB SXM", product: 989e12, copy: 3350e9, memory: 80e9, hopper: true },
  { name: "H200 SXM", product: 989e12, copy: 4800e9, memory: 141e9, hopper: true },
  { name: "A100 80GB SXM", product: 312e12, copy: 2039e9, memory: 80e9 },
  { name: "A100 40GB SXM", product: 312e12, copy: 1555e9, memory: 40e9 },
  { name: "RTX 4090", product: 165e12, copy: 1008e9, memory: 24e9 },
  { name: "RTX 3090", product: 71e12, copy: 936e9, memory: 24e9 },
  { name: "T4 (f16)", product: 65e12, copy: 320e9, memory: 16e9 },
];
/**
 * Shares of the data sheet. Hopper's are measured (695 of 989 TFLOP/s, held back by power; 2,911 of 3,350 GB/s; attention 370 TFLOP/s by wgmma,
 * 148 by mma.sync where mma.sync can do about 620). Others are assumed: 80% of products, the same share of the copy, attention at 24% of products.
 */
const HOPPER = { product: 0.7, copy: 0.87, attention: 0.37 };
/** E4M3 products of Nemo's shapes with a scale a row, measured on an H100: 1,230 to 1,517 by shape and accumulation. */
const HOPPER_FP8 = 1340e12;
const OTHERS = { product: 0.8, copy: 0.87, attention: 0.24 };

/** What a card has free beside its driver and context. */
const FREE_SHARE = 0.96;
const AUTO: LadderAsked = { recompute: "auto", decodedWeights: "auto", embedding: "auto", optimizerState: "auto", headRows: "auto" };
const RANK = 16;

const LLAMA_8B = {
  ...nemoConfig(32),
  vocab_size: 128256,
  hidden_size: 4096,
  intermediate_size: 14336,
  rms_norm_eps: 1e-5,
  rope_theta: 500000,
};

const llama = readDecoderShape(LLAMA_8B, "bench");
const root = process.env.REMORA_ROOT ?? process.cwd();
const outIndex = process.argv.indexOf("--out");
const out = outIndex > 0 ? process.argv[outIndex + 1]! : join(root, "bench/results/gpu-estimate.json");

const cards = CARDS.map(estimate);
const contexts = longestContexts(80e9 * FREE_SHARE);
const report = {
  note: "Estimates from counted operations and bytes, not measurements",
  shape: "Mistral Nemo 12B, QLoRA r16",
  cards,
  contexts,
};
mkdirSync(dirname(out), { recursive: true });
writeFileSync(out, `${JSON.stringify(report, null, 2)}\n`);

console.log("ESTIMATES, Nemo 12B QLoRA r16, packed blocks of 2,048 tokens; ladder as `remora plan` would choose it");
for (const { name, blocks, tokensPerSecond, fp8TokensPerSecondCheap4x2048: fp8, gigabytes, recompute, measured } of cards) {
  const beside = measured ? `   measured on one: ${measured.toFixed(0)} at 4 blocks, nothing again` : "";
  const speed = tokensPerSecond === undefined ? "does not fit" : `${tokensPerSecond.toFixed(0).padStart(6)} tok/s`;
  console.log(`  ${name.padEnd(14)} ${blocks} × 2,048  ${speed}  ${gigabytes.toFixed(1).padStart(5)} GB  recompute: ${recompute}${beside}`);
  if (fp8) console.log(`  ${"".padEnd(14)} 4 × 2,048  ${fp8.toFixed(0).padStart(6)} tok/s with compute fp8, norms and gates again`);
}
console.log("ESTIMATES, longest block of a Llama-3.1-8B shape in 80 GB, one block a step");
for (const { recompute, tokens, gigabytes } of contexts)
  console.log(`  recompute: ${recompute.padEnd(7)} ${tokens.toLocaleString("en").padStart(8)} tokens  ${gigabytes.toFixed(1)} GB`);

function estimate(card: Card) {
  const shares = card.hopper ? HOPPER : OTHERS;
  const rates: CardRates = {
    product: card.product * shares.product,
    attention: card.product * shares.attention,
    copy: card.copy * shares.copy,
  };
  // The most blocks, of 4, 2 and 1, that fit by any rung.
  const free = card.memory * FREE_SHARE;
  const tries = [4, 2, 1].map((blocks) => ({ blocks, ladder: ladderFor(NEMO_SHAPE, 2048, blocks, free) }));
  const { blocks, ladder } = tries.find(({ ladder: { plan } }) => plan.fits) ?? tries.at(-1)!;
  const { choice, plan } = ladder;
  const counted = countStep(NEMO_SHAPE, { tokens: 2048 * blocks, length: 2048, rank: RANK });
  const cheap = timeStep(counted, rates);
  // The count is of the cheap rung; others by the prices that the ladder puts on them.
  const price = { none: 1 / 1.03, cheap: 1, layers: 1.47 / 1.03, host: 1.56 / 1.03 }[choice.recompute];
  const fp8 =
    card.hopper && timeStep(countStep(NEMO_SHAPE, { tokens: 8192, length: 2048, rank: RANK, fp8: true }), { ...rates, fp8: HOPPER_FP8 });
  const four = timeStep(countStep(NEMO_SHAPE, { tokens: 8192, length: 2048, rank: RANK }), rates);
  return {
    name: card.name,
    estimate: true,
    blocks,
    tokensPerSecond: plan.fits ? (2048 * blocks) / (cheap.seconds * price) : undefined,
    tokensPerSecondCheap4x2048: 8192 / four.seconds,
    ...(fp8 && { fp8TokensPerSecondCheap4x2048: 8192 / fp8.seconds, fp8MillisecondsByOp: milliseconds(fp8.ops) }),
    gigabytes: plan.totalBytes / 1e9,
    recompute: choice.recompute,
    millisecondsByOp: milliseconds(cheap.ops),
    measured: measuredOn(card.name),
  };
}

function milliseconds(ops: ReadonlyMap<string, number>) {
  return Object.fromEntries([...ops].map(([op, seconds]) => [op, seconds * 1e3]));
}

function ladderFor(shape: DecoderShape, blockLength: number, batchSize: number, availableBytes: number, asked = AUTO): Ladder {
  const { hiddenSize: C, intermediateSize: F, heads: H, keyValueHeads: K, headDim: D } = shape;
  const sizes = [
    [C, H * D],
    [C, K * D],
    [C, K * D],
    [H * D, C],
    [C, F],
    [C, F],
    [F, C],
  ] as const;
  const adapters = shape.layers.flatMap(() => sizes.map(([inFeatures, outFeatures]) => ({ inFeatures, outFeatures, rank: RANK })));
  const device = { name: "estimate", availableBytes, hasOwnMemory: true };
  const base = { method: "qlora", base: "nf4", embeddingFormat: "bf16", compute: "bf16" } as const;
  return chooseLadder(asked, {
    model: "estimate",
    shape,
    device,
    settings: { ...base, blockLength, batchSize, gradientAccumulation: 1, adapters },
  });
}

/** Thousands of tokens, by each policy of recompute: the largest block whose plan fits with the other rungs free. */
function longestContexts(availableBytes: number) {
  return (["none", "cheap", "layers", "host"] as const).map((recompute) => {
    const fits = (tokens: number) => ladderFor(llama, tokens, 1, availableBytes, { ...AUTO, recompute }).plan;
    let [low, high] = [1, 4096]; // in units of 1,024 tokens
    while (high - low > 1) {
      const middle = (low + high) >> 1;
      if (fits(middle * 1024).fits) low = middle;
      else high = middle;
    }
    return { recompute, estimate: true, tokens: low * 1024, gigabytes: fits(low * 1024).totalBytes / 1e9 };
  });
}

/** Tokens/s of the committed run of bench:gpu, if it was on this card. */
function measuredOn(name: string): number | undefined {
  const file = JSON.parse(readFileSync(join(root, "bench/results/gpu.json"), "utf8"));
  const results: { name: string; card?: string; tokensPerSecond?: number }[] = file.results;
  const model = name.split(" ")[0]!;
  return results.find((line) => line.name === "NF4, nothing recomputed" && line.card?.includes(model))?.tokensPerSecond;
}
