/** Mistral Nemo 12B: what plans are tested on, because it is what they must fit. Numbers of its config.json. */
import type { DecoderShape } from "../../models/decoder-shape.ts";
import { readDecoderShape } from "../../models/registry.ts";

export const NEMO_SHAPE: DecoderShape = readDecoderShape(
  {
    model_type: "mistral",
    vocab_size: 131072,
    hidden_size: 5120,
    num_hidden_layers: 40,
    num_attention_heads: 32,
    num_key_value_heads: 8,
    head_dim: 128,
    intermediate_size: 14336,
    max_position_embeddings: 131072,
    rms_norm_eps: 1e-5,
    rope_theta: 1000000,
    hidden_act: "silu",
    tie_word_embeddings: false,
  },
  "Nemo 12B",
);
