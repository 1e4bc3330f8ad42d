/**
 * All-weights training: every parameter of a decoder in one flat f32 buffer, gradients in another, matrices first (weight decay applies to
 * them alone). Ops read the f32 parameters themselves, or a copy in the compute dtype where the device wants one.
 */
import type { ActivationDType } from "../backend/backend.ts";
import { CausalLM } from "../models/causal-lm.ts";
import { decoderParameters, type ParameterInfo } from "../models/decoder-parameters.ts";
import type { DecoderShape } from "../models/decoder-shape.ts";
import { buildDecoder, find, type ParameterMaker } from "../models/load-model.ts";
import { readStoredTensor } from "../models/stored-tensor.ts";
import type { WeightSource } from "../models/weight-source.ts";
import type { Arena } from "../tensor/arena.ts";
import { FlatBuffer, FlatLayout } from "../tensor/flat-buffer.ts";
import { elementCount } from "../tensor/shape.ts";
import { type Trainables, weightTrainables } from "./trainables.ts";

export interface FullModelOptions {
  /** Weight decay on the embedding's rows too, as Transformers' trainer does; pretraining goes without. A tied head is the embedding. @default true */
  readonly decayEmbedding?: boolean;
}

export interface FullModel {
  readonly model: CausalLM;
  readonly params: FlatBuffer;
  readonly trainables: Trainables;
}

/** A model whose weights are all trainable, zero until filled. */
export async function makeFullModel(
  arena: Arena,
  shape: DecoderShape,
  compute: ActivationDType,
  { decayEmbedding = true }: FullModelOptions = {},
): Promise<FullModel> {
  const isDecayed = ({ role, shape: size }: ParameterInfo) => size.length === 2 && (decayEmbedding || role !== "embedding");
  const all = decoderParameters(shape);
  const ordered = [...all.filter(isDecayed), ...all.filter((info) => !isDecayed(info))];
  const layout = new FlatLayout(ordered.map(({ path, shape: size }) => ({ name: path, shape: size })));
  const params = new FlatBuffer(arena, layout, "weights");
  const gradients = new FlatBuffer(arena, layout, "gradients");
  const owned = [params, gradients];
  const maker: ParameterMaker = {
    matrix(path, rows, cols) {
      const data = params.array(path);
      return { path, weight: { format: "f32", rows, cols, data, path }, gradient: gradients.array(path), owned: [] };
    },
    norm: (path) => ({ path, value: params.array(path).retain(), gradient: gradients.array(path) }),
    biases(parts) {
      // The layout keeps a group's biases next to each other, so the group's bias is one window.
      const first = layout.entry(`${parts[0]!.path}.bias`);
      const size = [parts.reduce((sum, { rows }) => sum + rows, 0)];
      const path = parts.map((part) => `${part.path}.bias`).join("|");
      return { path, value: params.tensor.view(size, first.offset).retain(), gradient: gradients.tensor.view(size, first.offset) };
    },
  };
  const weights = await buildDecoder(shape, maker, owned);
  const model = new CausalLM(shape, arena, weights, compute, owned);
  const decayed = ordered.filter(isDecayed).reduce((sum, { shape: size }) => sum + elementCount(size), 0);
  return { model, params, trainables: weightTrainables(params, gradients, decayed) };
}

/** Fills the weights from files. */
export function loadFullWeights(arena: Arena, full: FullModel, source: WeightSource): void {
  const { shape } = full.model;
  for (const { path, role, shape: size } of decoderParameters(shape)) {
    const stored = find(source, path);
    const values = readStoredTensor(stored);
    if (values.length !== elementCount(size)) throw new Error(`${path} has ${values.length} values instead of ${elementCount(size)}`);
    if (role === "norm" && shape.normWeightOffset !== 0) for (let i = 0; i < values.length; i++) values[i]! += shape.normWeightOffset;
    arena.backend.upload(full.params.array(path), new Uint8Array(values.buffer, values.byteOffset, values.byteLength));
  }
}

/**
 * Fills the weights for training from nothing: normal(0, 0.02), the projections that write to the residual stream divided by √(2L) (GPT-2's
 * rule), norms one, biases zero.
 */
export function initializeWeights(arena: Arena, full: FullModel, seed: number): void {
  const { shape } = full.model;
  for (const [index, { path, role, shape: size }] of decoderParameters(shape).entries()) {
    const target = full.params.array(path);
    if (role === "bias") arena.backend.zero(target);
    else if (role === "norm") arena.backend.upload(target, new Uint8Array(new Float32Array(elementCount(size)).fill(1).buffer));
    else {
      const writesToStream = path.endsWith("o_proj.weight") || path.endsWith("down_proj.weight");
      const deviation = 0.02 / (writesToStream ? Math.sqrt(2 * shape.layers.length) : 1);
      arena.backend.random(target, (BigInt(seed) << 20n) + BigInt(index), deviation, "normal");
    }
  }
}
