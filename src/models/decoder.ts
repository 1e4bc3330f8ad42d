/**
 * The forward pass of every decoder-only model here, reading a shape table for what is unusual:
 *
 *   h = embedding(ids) · scale
 *   per layer:  x = norm(h)            q|k|v = x W          rotate q, k (their own norms first, where the model has them)
 *               a = attend(q, k, v) W_o                     [norm(a)]
 *               h = h + a;  x = norm(h)
 *               m = gated(x W_gate|up) W_down               [norm(m)]
 *               h = h + m
 *   hidden = norm(h)          logits = hidden W_headᵀ
 *
 * Residual additions ride in the norms that follow them. How rows attend (packed segments in training, the paged cache in asking) is handed in.
 */
import type { ActivationDType, AttentionRule, LayerOperand, PagedCacheOperand, RopeOperand } from "../backend/backend.ts";
import type { LinearGroup } from "../nn/linear-group.ts";
import { add } from "../tensor/ops/add.ts";
import { embedding } from "../tensor/ops/embedding.ts";
import { gated } from "../tensor/ops/gated.ts";
import { addRmsNorm, rmsNorm } from "../tensor/ops/rms-norm.ts";
import { rope } from "../tensor/ops/rope.ts";
import type { MatrixParameter, VectorParameter } from "../tensor/parameter.ts";
import { recompute } from "../tensor/recompute.ts";
import type { Tape } from "../tensor/tape.ts";
import type { Tensor } from "../tensor/tensor.ts";
import type { DecoderShape } from "./decoder-shape.ts";

export interface DecoderLayer {
  readonly attentionNorm: VectorParameter;
  readonly queryKeyValue: LinearGroup;
  readonly queryNorm?: VectorParameter;
  readonly keyNorm?: VectorParameter;
  readonly attentionOutput: LinearGroup;
  readonly attentionOutputNorm?: VectorParameter;
  readonly mlpNorm: VectorParameter;
  readonly gateUp: LinearGroup;
  readonly down: LinearGroup;
  readonly mlpOutputNorm?: VectorParameter;
}

export interface DecoderWeights {
  readonly embedding: MatrixParameter;
  readonly layers: readonly DecoderLayer[];
  readonly finalNorm: VectorParameter;
  /** The embedding itself when the head is tied. */
  readonly head: MatrixParameter;
}

/** How the rows of one layer see each other. @param qkv rotated, act [N, (H+2K)·D]  @returns act [N, H·D] */
export type Attend = (tape: Tape, layer: number, qkv: Tensor, rule: AttentionRule) => Tensor;

/** @param qkv not rotated, act [N, (H+2K)·D]  @returns act [N, H·D], or null when it must be rotated first */
export type AttendStep = (tape: Tape, layer: number, qkv: Tensor, rope: RopeOperand, rule: AttentionRule) => Tensor | null;

export interface DecoderInput {
  readonly ids: Tensor; // i32 [N]
  readonly positions: Tensor; // i32 [N]
  readonly attend: Attend;
  /** Rotation and attention in one, where the device has it and every row is of another sequence. */
  readonly attendStep?: AttendStep;
  /** The cache of a layer, where every row is the one new token of another sequence. */
  readonly cacheOf?: (layer: number) => PagedCacheOperand;
  /** Rope tables [positions, rotary/2, 2], one a layer (layers with equal settings share one). */
  readonly ropeTables: readonly Tensor[];
}

/** @returns hidden rows after the last norm, act [N, C] */
export function decoderForward(
  tape: Tape,
  shape: DecoderShape,
  weights: DecoderWeights,
  dtype: ActivationDType,
  input: DecoderInput,
): Tensor {
  // The residual stream, and what the last sub-layer wants added to it.
  let stream = tape.scope("embedding", () => [embedding(tape, input.ids, weights.embedding, dtype, shape.embeddingScale)] as const)[0];
  let pending: Tensor | null = null;
  const walked = tape.scope("layers", () => walkLayers(tape, shape, weights, stream, input))[0];
  if (walked) {
    tape.free(stream);
    return rmsNorm(tape, walked, weights.finalNorm, shape.rmsNormEps);
  }
  for (const [index, layer] of weights.layers.entries()) {
    const before = [stream, pending];
    const whole: Tensor | undefined = pending
      ? undefined
      : tape.scope(`layer ${index}`, () => stepLayer(tape, shape, layer, weights.layers[index + 1], index, stream, input))[0];
    if (whole) {
      tape.free(stream);
      stream = whole;
      continue;
    }
    const run = (on: Tape, h: Tensor, delta: Tensor | null) => decoderLayer(on, shape, layer, index, h, delta, input);
    if ((tape.policy === "layers" || tape.policy === "host") && tape.isRecording) {
      // One tensor a layer is kept: the stream with the addition done.
      const whole: Tensor = pending ? add(tape, stream, pending) : stream;
      before.push(whole);
      [stream, pending] = recompute(tape, `layer ${index}`, [whole], (inner, [h]) => run(inner, h!, null)) as [Tensor, Tensor];
    } else {
      [stream, pending] = tape.scope(`layer ${index}`, () => run(tape, stream, pending));
    }
    for (const tensor of before) if (tensor) tape.free(tensor);
  }
  const { finalNorm } = weights;
  const eps = shape.rmsNormEps;
  return pending ? addRmsNorm(tape, stream, pending, finalNorm, eps).y : rmsNorm(tape, stream, finalNorm, eps);
}

function decoderLayer(
  tape: Tape,
  shape: DecoderShape,
  layer: DecoderLayer,
  index: number,
  stream: Tensor,
  pending: Tensor | null,
  input: DecoderInput,
): [Tensor, Tensor] {
  const eps = shape.rmsNormEps;
  const qkvReader = layer.queryKeyValue.operand(tape);
  const attentionInput = pending
    ? addRmsNorm(tape, stream, pending, layer.attentionNorm, eps, qkvReader)
    : { sum: stream, y: rmsNorm(tape, stream, layer.attentionNorm, eps, qkvReader) };
  const qkv = layer.queryKeyValue.forward(tape, attentionInput.y); // [N, (H+2K)·D]
  const attended = attend(tape, shape, layer, index, qkv, input); // [N, H·D]
  let attentionOutput = layer.attentionOutput.forward(tape, attended); // [N, C]
  if (layer.attentionOutputNorm) attentionOutput = rmsNorm(tape, attentionOutput, layer.attentionOutputNorm, eps);

  const mlpInput = addRmsNorm(tape, attentionInput.sum, attentionOutput, layer.mlpNorm, eps, layer.gateUp.operand(tape));
  const activated = gated(tape, layer.gateUp.forward(tape, mlpInput.y), shape.activation, layer.down.operand(tape)); // [N, F]
  let mlpOutput = layer.down.forward(tape, activated); // [N, C]
  if (layer.mlpOutputNorm) mlpOutput = rmsNorm(tape, mlpOutput, layer.mlpOutputNorm, eps);
  return [mlpInput.sum, mlpOutput];
}

/** Rotation, then attention. @param qkv act [N, (H+2K)·D]  @returns act [N, H·D] */
function attend(tape: Tape, shape: DecoderShape, layer: DecoderLayer, index: number, qkv: Tensor, input: DecoderInput): Tensor {
  const { heads, keyValueHeads, headDim, rmsNormEps: eps } = shape;
  const rule = attentionRule(shape, index);
  const table = input.ropeTables[index]!;
  const { rotary } = shape.layers[index]!.rope;
  if (!layer.queryNorm && !layer.keyNorm) {
    const attended = input.attendStep?.(tape, index, qkv, { table, rotary, eps }, rule);
    if (attended) return attended;
  }
  const { queryNorm, keyNorm } = layer;
  const rotated = rope(tape, qkv, input.positions, { heads, keyValueHeads, headDim, eps, table, rotary, queryNorm, keyNorm });
  return input.attend(tape, index, rotated, rule);
}

/**
 * All layers of one row where the device has one launch for them.
 * @returns the stream after the last layer, or nothing when they must run one by one
 */
function walkLayers(tape: Tape, shape: DecoderShape, weights: DecoderWeights, stream: Tensor, input: DecoderInput): readonly Tensor[] {
  const { backend } = tape;
  const { cacheOf } = input;
  if (!backend.layersStep || !cacheOf || tape.isRecording || stream.shape[0] !== 1 || shape.sandwichNorms) return [];
  const layers: LayerOperand[] = [];
  for (const [index, layer] of weights.layers.entries()) {
    const { queryKeyValue, attentionOutput, gateUp, down } = layer;
    layers.push({
      attentionNorm: layer.attentionNorm.value,
      queryKeyValue: queryKeyValue.operand(tape),
      rope: {
        table: input.ropeTables[index]!,
        rotary: shape.layers[index]!.rope.rotary,
        eps: shape.rmsNormEps,
        queryNorm: layer.queryNorm?.value,
        keyNorm: layer.keyNorm?.value,
      },
      rule: attentionRule(shape, index),
      cache: cacheOf(index),
      attentionOutput: attentionOutput.operand(tape),
      mlpNorm: layer.mlpNorm.value,
      gateUp: gateUp.operand(tape),
      down: down.operand(tape),
    });
  }
  const out = tape.allocate(stream.dtype, stream.shape, "stream after the layers");
  if (backend.layersStep(layers, stream, out, { eps: shape.rmsNormEps, activation: shape.activation })) return [out];
  tape.free(out);
  return [];
}

function attentionRule(shape: DecoderShape, index: number): AttentionRule {
  const { heads, keyValueHeads, headDim } = shape;
  const { window } = shape.layers[index]!;
  return { heads, keyValueHeads, headDim, window, scale: shape.attentionScale, causal: true, softcap: shape.attentionSoftcap };
}

/**
 * A layer of few rows where the device folds norms, gate and residual additions into the linears: their four launches, and attention's.
 * @returns the stream after the layer, or nothing when the layer must run op by op
 */
function stepLayer(
  tape: Tape,
  shape: DecoderShape,
  layer: DecoderLayer,
  following: DecoderLayer | undefined,
  index: number,
  stream: Tensor,
  input: DecoderInput,
): readonly Tensor[] {
  const eps = shape.rmsNormEps;
  if (layer.attentionOutputNorm || layer.mlpOutputNorm) return [];
  const { queryKeyValue, attentionOutput, gateUp, down } = layer;
  const qkv = queryKeyValue.step(tape, stream, { norm: layer.attentionNorm, eps }, attentionOutput);
  if (!qkv) return [];
  const attended = attend(tape, shape, layer, index, qkv, input);
  const middle =
    attentionOutput.step(tape, attended, { residual: stream }, gateUp) ?? add(tape, stream, attentionOutput.forward(tape, attended)); // [N, C]
  const activated =
    gateUp.step(tape, middle, { norm: layer.mlpNorm, eps, gate: shape.activation }, down) ??
    gated(tape, gateUp.forward(tape, rmsNorm(tape, middle, layer.mlpNorm, eps)), shape.activation); // [N, F]
  return [down.step(tape, activated, { residual: middle }, following?.queryKeyValue) ?? add(tape, middle, down.forward(tape, activated))];
}
