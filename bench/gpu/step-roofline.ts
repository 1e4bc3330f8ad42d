/**
 * A QLoRA step counted op by op, and what a card of given rates would take for it. One line an op: multiply-adds × 2 on the matrix units, bytes over
 * the memory bus. An op takes the longer of the two at the rates it is known to reach; a step is their sum, since ops run one after another.
 *
 * Counts are of the `cheap` rung: every activation kept but the outputs of norms and gates, NF4 weights decoded at each use (forward and
 * backward), 2 bytes an activation. Under fp8 nothing is decoded, and what the layers' weights meet is rounded to E4M3 first. C hidden, F intermediate, H and K heads for queries and for keys and values, D a head's width, V words, R rank.
 */
import type { DecoderShape } from "../../src/models/decoder-shape.ts";

export interface CountedOp {
  readonly name: string;
  readonly unit: "product" | "fp8" | "attention" | "memory";
  /** Of a whole step. */
  readonly flops: number;
  readonly bytes: number;
}

/** Sustained, not data-sheet, rates. */
export interface CardRates {
  /** FLOP/s of large bf16 (or f16) products. */
  readonly product: number;
  /** FLOP/s of large E4M3 products; absent where they are not made. */
  readonly fp8?: number;
  /** FLOP/s of attention, forward and backward together, causal work counted once. */
  readonly attention: number;
  /** Bytes/s of a copy, reads and writes added. */
  readonly copy: number;
}

const ACTIVATION = 2;
/** NF4 with double quantization: half a byte a code, a byte of scale for 64 codes, 4 bytes for 256 scales. */
const NF4_BYTES = 0.5 + 1 / 64 + 4 / (64 * 256);
/** Share of the copy rate that elementwise kernels reach: between 54 and 100% measured, most of them near 90. */
const ELEMENTWISE_SHARE = 0.85;

export function countStep(
  shape: DecoderShape,
  step: { readonly tokens: number; readonly length: number; readonly rank: number; readonly fp8?: boolean },
): CountedOp[] {
  const { hiddenSize: C, intermediateSize: F, heads: H, keyValueHeads: K, headDim: D, vocabularySize: V } = shape;
  const layers = shape.layers.length;
  const { tokens, length, rank, fp8 = false } = step;
  const everyLayer = layers * tokens * ACTIVATION;
  // [In, Out, adapters that share the input]: q, k and v are one product, gate and up another.
  const linears: readonly (readonly [number, number, number])[] = [
    [C, (H + 2 * K) * D, 3],
    [H * D, C, 1],
    [C, 2 * F, 2],
    [F, C, 1],
  ];
  const weights = linears.reduce((sum, [inputs, outputs]) => sum + inputs * outputs, 0);
  // Forward reads x, backward x for A's gradient, and dy once for B's and for what goes on to A. NF4 carries the adapters' share while it is decoded;
  // E4M3 does not: y is read and written once more for it, and dx.
  const thinElements = linears.reduce((sum, [inputs, outputs]) => sum + 2 * inputs + outputs + (fp8 ? 2 * (inputs + outputs) : 0), 0);
  const trained = layers * rank * linears.reduce((sum, [inputs, outputs, adapters]) => sum + adapters * inputs + outputs, 0);
  const memory = (name: string, bytes: number): CountedOp => ({ name, unit: "memory", flops: 0, bytes });
  return [
    { name: "products of the layers", unit: fp8 ? "fp8" : "product", flops: 4 * weights * layers * tokens, bytes: 0 },
    { name: "products of the head", unit: "product", flops: 4 * V * C * tokens, bytes: 0 },
    // 2 products forward and 5 backward, of which causality leaves half.
    { name: "attention", unit: "attention", flops: 7 * 2 * layers * H * D * (length / 2) * tokens, bytes: 0 },
    fp8
      ? // Norm and gate write codes beside what they write; x of o and dy of q|k|v are read again.
        memory(
          "rounding to E4M3",
          layers *
            tokens *
            (linears.reduce((sum, [inputs, outputs]) => sum + inputs + outputs, 0) + ACTIVATION * (H * D + (H + 2 * K) * D)),
        )
      : memory("decode of NF4", 2 * layers * weights * (NF4_BYTES + ACTIVATION)),
    memory("adapters", everyLayer * thinElements),
    memory("norms", everyLayer * 2 * C * (4 + 3 + 5)),
    memory("rope", everyLayer * 4 * (H + K) * D),
    memory("gates", everyLayer * F * (3 + 3 + 5)),
    memory("loss", tokens * V * (4 + 4 + 2)),
    memory("optimizer", trained * (16 + 12 + ACTIVATION)),
  ];
}

/** Seconds of each op, and of the step. */
export function timeStep(
  ops: readonly CountedOp[],
  rates: CardRates,
): { readonly seconds: number; readonly ops: ReadonlyMap<string, number> } {
  const times = new Map(
    ops.map(({ name, unit, flops, bytes }) => {
      const compute = unit === "memory" ? 0 : flops / (rates[unit] ?? Number.NaN);
      return [name, Math.max(compute, bytes / (rates.copy * ELEMENTWISE_SHARE))];
    }),
  );
  return { seconds: [...times.values()].reduce((sum, time) => sum + time, 0), ops: times };
}
