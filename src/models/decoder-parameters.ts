/**
 * Every parameter of a decoder by its checkpoint name, from its shape table alone. The loader checks files against this list, the memory plan
 * prices it, all-weights training lays its buffers out by it.
 */
import type { DecoderShape, LinearGroupName } from "./decoder-shape.ts";

export type ParameterRole = "embedding" | "head" | "linear" | "norm" | "bias";

export interface ParameterInfo {
  readonly path: string;
  readonly role: ParameterRole;
  /** [rows, cols] of a matrix, [n] of a vector. */
  readonly shape: readonly number[];
}

/** The linears of one layer, by group: what shares an input, side by side. */
export interface LinearNames {
  readonly queryKeyValue: readonly { path: string; rows: number }[];
  readonly attentionOutput: { path: string; rows: number };
  readonly gateUp: readonly { path: string; rows: number }[];
  readonly down: { path: string; rows: number };
}

/** Paths without `.weight`. */
export function layerLinears(shape: DecoderShape, layer: number): LinearNames {
  const attention = `model.layers.${layer}.self_attn`;
  const mlp = `model.layers.${layer}.mlp`;
  const queryRows = shape.heads * shape.headDim;
  const keyRows = shape.keyValueHeads * shape.headDim;
  const { intermediateSize: width } = shape;
  return {
    queryKeyValue: shape.fusedProjections
      ? [{ path: `${attention}.qkv_proj`, rows: queryRows + 2 * keyRows }]
      : [
          { path: `${attention}.q_proj`, rows: queryRows },
          { path: `${attention}.k_proj`, rows: keyRows },
          { path: `${attention}.v_proj`, rows: keyRows },
        ],
    attentionOutput: { path: `${attention}.o_proj`, rows: shape.hiddenSize },
    gateUp: shape.fusedProjections
      ? [{ path: `${mlp}.gate_up_proj`, rows: 2 * width }]
      : [
          { path: `${mlp}.gate_proj`, rows: width },
          { path: `${mlp}.up_proj`, rows: width },
        ],
    down: { path: `${mlp}.down_proj`, rows: shape.hiddenSize },
  };
}

/** Names of one layer's norms; those a family lacks are undefined. */
export function layerNorms(shape: DecoderShape, layer: number) {
  const prefix = `model.layers.${layer}`;
  return {
    attention: `${prefix}.input_layernorm.weight`,
    attentionOutput: shape.sandwichNorms ? `${prefix}.post_attention_layernorm.weight` : undefined,
    mlp: shape.sandwichNorms ? `${prefix}.pre_feedforward_layernorm.weight` : `${prefix}.post_attention_layernorm.weight`,
    mlpOutput: shape.sandwichNorms ? `${prefix}.post_feedforward_layernorm.weight` : undefined,
    query: shape.queryKeyNorm ? `${prefix}.self_attn.q_norm.weight` : undefined,
    key: shape.queryKeyNorm ? `${prefix}.self_attn.k_norm.weight` : undefined,
  };
}

/** A linear's input width, by the group it is in. */
export function linearInputs(shape: DecoderShape) {
  return {
    queryKeyValue: shape.hiddenSize,
    attentionOutput: shape.heads * shape.headDim,
    gateUp: shape.hiddenSize,
    down: shape.intermediateSize,
  };
}

export const EMBEDDING_PATH = "model.embed_tokens.weight";
export const HEAD_PATH = "lm_head.weight";
export const FINAL_NORM_PATH = "model.norm.weight";

export function decoderParameters(shape: DecoderShape): ParameterInfo[] {
  const { vocabularySize, hiddenSize, headDim } = shape;
  const inputs = linearInputs(shape);
  const list: ParameterInfo[] = [{ path: EMBEDDING_PATH, role: "embedding", shape: [vocabularySize, hiddenSize] }];
  const norm = (path: string | undefined, size: number) => {
    if (path) list.push({ path, role: "norm", shape: [size] });
  };
  for (const layer of shape.layers.keys()) {
    const linears = layerLinears(shape, layer);
    const norms = layerNorms(shape, layer);
    norm(norms.attention, hiddenSize);
    for (const [group, parts] of Object.entries(linears)) {
      for (const { path, rows } of [parts].flat()) {
        list.push({ path: `${path}.weight`, role: "linear", shape: [rows, inputs[group as keyof LinearNames]] });
        if (shape.biases[group as LinearGroupName]) list.push({ path: `${path}.bias`, role: "bias", shape: [rows] });
      }
    }
    norm(norms.query, headDim);
    norm(norms.key, headDim);
    norm(norms.attentionOutput, hiddenSize);
    norm(norms.mlp, hiddenSize);
    norm(norms.mlpOutput, hiddenSize);
  }
  norm(FINAL_NORM_PATH, hiddenSize);
  if (!shape.tiedHead) list.push({ path: HEAD_PATH, role: "head", shape: [vocabularySize, hiddenSize] });
  return list;
}
