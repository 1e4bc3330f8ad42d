/**
 * Phi-3 and Phi-4-mini.
 *
 * Unusual: the checkpoint holds q|k|v and gate|up as one matrix each (`qkv_proj`, `gate_up_proj`), which is how our groups lie anyway; a
 * window on every layer (2047 for the 4k models); longrope for the long ones; Phi-4-mini rotates only part of each head.
 * Checked against Transformers 5.17 (models/phi3): logits and every gradient, fixtures/data/models/phi3*.
 */
import type { DecoderShape, ModelFamily } from "./decoder-shape.ts";
import { readPlainDecoder } from "./llama.ts";

export const phi: ModelFamily = {
  modelTypes: ["phi3"],
  readShape(config): DecoderShape {
    return { ...readPlainDecoder(config), fusedProjections: true };
  },
};
