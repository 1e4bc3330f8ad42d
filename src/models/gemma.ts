/**
 * Gemma 3, text only.
 *
 * Unusual: embedding rows times √C; norm weights stored as w − 1; each sub-layer's output is normed before it joins the residual stream;
 * q and k heads are normed; five of six layers see a window of 512 and rotate with a base of 10,000, the sixth sees everything with
 * 1,000,000; the score scale comes from `query_pre_attn_scalar`, not head_dim.
 * Checked against Transformers 5.17 (models/gemma3): logits and every gradient, fixtures/data/models/gemma3*.
 */
import { ConfigValueError } from "../errors/config-value-error.ts";
import { ConfigFields } from "./config-fields.ts";
import type { DecoderShape, ModelFamily } from "./decoder-shape.ts";
import { readPlainDecoder } from "./llama.ts";

/** Every sixth layer sees everything unless the file says otherwise. */
const DEFAULT_PATTERN = 6;

export const gemma: ModelFamily = {
  modelTypes: ["gemma3_text"],
  readShape(config): DecoderShape {
    const fields = new ConfigFields(config);
    fields.expect("use_bidirectional_attention", [false]);
    const activation = config.hidden_activation ?? config.hidden_act ?? "gelu_pytorch_tanh";
    if (activation !== "gelu_pytorch_tanh") throw new ConfigValueError("hidden_activation", "gelu_pytorch_tanh", activation);
    const plain = readPlainDecoder({ ...config, hidden_act: activation, sliding_window: null, head_dim: config.head_dim ?? 256 });
    const window = fields.count("sliding_window", 4096);
    const pattern = fields.optionalNumber("sliding_window_pattern") ?? fields.optionalNumber("_sliding_window_pattern") ?? DEFAULT_PATTERN;
    const kinds = fields.strings("layer_types");
    const isWindowed = (layer: number) => (kinds ? kinds[layer] === "sliding_attention" : (layer + 1) % pattern !== 0);
    const global = fields.rope(plain.headDim, { kind: "full_attention", theta: fields.number("rope_theta", 1e6) });
    const localTheta = fields.number("rope_local_base_freq", 1e4);
    const nested = fields.object("rope_parameters");
    const local = nested?.sliding_attention
      ? fields.rope(plain.headDim, { kind: "sliding_attention", theta: localTheta })
      : { ...global, theta: localTheta, scaling: { type: "none" as const } };
    return {
      ...plain,
      layers: plain.layers.map((_, index) => (isWindowed(index) ? { window, rope: local } : { window: 0, rope: global })),
      tiedHead: fields.boolean("tie_word_embeddings", true),
      embeddingScale: Math.sqrt(plain.hiddenSize),
      normWeightOffset: 1,
      attentionScale: 1 / Math.sqrt(fields.number("query_pre_attn_scalar", 256)),
      // `attn_logit_softcapping` is Gemma 2's: Transformers' Gemma 3 reads it and does not apply it.
      logitSoftcap: fields.optionalNumber("final_logit_softcapping") ?? 0,
      queryKeyNorm: true,
      sandwichNorms: true,
    };
  },
};
