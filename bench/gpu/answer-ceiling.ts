/**
 * What a card of given rates allows for asking, counted: a step of answers reads the weights once, whatever the number of rows, and each row's keys
 * and values; it multiplies each weight once a row. The longer of the two is the least time of a step. A prompt is counted by its products alone.
 */
import type { DecoderShape } from "../../src/models/decoder-shape.ts";

/** Bytes and FLOP a second, as measured on the card: a copy with reads and writes added, a large bf16 product. */
export interface CardPeaks {
  readonly copy: number;
  readonly product: number;
}

/** NF4 with double quantization: half a byte a code, a byte of scale for 64 codes, 4 bytes for 256 scales. */
const NF4_BYTES = 0.5 + 1 / 64 + 4 / (64 * 256);
const ELEMENT_BYTES = 2;

/** Elements of the layers' linears and of the head. */
function weightsOf(shape: DecoderShape): { layers: number; head: number } {
  const { hiddenSize: C, intermediateSize: F, heads: H, keyValueHeads: K, headDim: D, vocabularySize: V } = shape;
  return { layers: shape.layers.length * (C * (H + 2 * K) * D + H * D * C + 3 * C * F), head: V * C };
}

/** One step of `rows` answers that each see `keys` tokens: NF4 layers, bf16 head, cache of 16 bits. */
export function countAnswerStep(shape: DecoderShape, rows: number, keys: number): { bytes: number; flops: number } {
  const { layers, head } = weightsOf(shape);
  const cached = rows * keys * shape.layers.length * 2 * shape.keyValueHeads * shape.headDim;
  const attention = rows * keys * shape.layers.length * 4 * shape.heads * shape.headDim;
  return {
    bytes: layers * NF4_BYTES + head * ELEMENT_BYTES + cached * ELEMENT_BYTES,
    flops: 2 * rows * (layers + head) + attention,
  };
}

/** Tokens a second of all rows together. */
export function answerCeiling(shape: DecoderShape, rows: number, keys: number, { copy, product }: CardPeaks): number {
  const { bytes, flops } = countAnswerStep(shape, rows, keys);
  return rows / Math.max(bytes / copy, flops / product);
}

/** FLOP of a prompt up to its first token: causal attention counted once, the head for the last row only. */
export function promptFlops(shape: DecoderShape, tokens: number): number {
  const { layers, head } = weightsOf(shape);
  return 2 * layers * tokens + 2 * head + shape.layers.length * 4 * shape.heads * shape.headDim * (tokens / 2) * tokens;
}
