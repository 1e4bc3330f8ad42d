/** Mistral Nemo 12B: what plans are tested on and what is benchmarked, because it is what they must fit. */
import type { DecoderShape } from "../../models/decoder-shape.ts";
import { readDecoderShape } from "../../models/registry.ts";

/** Its config.json, with as many layers as asked for. */
export function nemoConfig(layers: number): Record<string, unknown> {
  return {
    architectures: ["MistralForCausalLM"],
    model_type: "mistral",
    vocab_size: 131072,
    hidden_size: 5120,
    num_hidden_layers: layers,
    num_attention_heads: 32,
    num_key_value_heads: 8,
    head_dim: 128,
    intermediate_size: 14336,
    max_position_embeddings: 131072,
    rms_norm_eps: 1e-5,
    rope_theta: 1000000,
    hidden_act: "silu",
    tie_word_embeddings: false,
    sliding_window: null,
    torch_dtype: "bfloat16",
  };
}

export const NEMO_SHAPE: DecoderShape = readDecoderShape(nemoConfig(40), "Nemo 12B");
