/**
 * Llama, Mistral (Nemo included) and SmolLM2: the plain decoder.
 *
 * Unusual: Mistral Nemo's heads · head_dim (4096) differs from its width (5120), so head_dim is read, not derived. Early Mistral has a
 * sliding window on every layer. Llama 3.1 and later stretch rope ("llama3").
 * Checked against Transformers 5.17 (models/llama, models/mistral): logits and every gradient, fixtures/data/models/{llama,mistral}*.
 */
import { ConfigFields } from "./config-fields.ts";
import type { DecoderShape, ModelFamily } from "./decoder-shape.ts";

export const llama: ModelFamily = { modelTypes: ["llama", "mistral"], readShape: readPlainDecoder };

/** The plain decoder's table; other families start from it and change what is unusual. */
export function readPlainDecoder(config: Readonly<Record<string, unknown>>): DecoderShape {
  const fields = new ConfigFields(config);
  fields.expect("hidden_act", ["silu", "gelu_pytorch_tanh", "gelu_tanh"]);
  const attentionBias = fields.boolean("attention_bias", false);
  const mlpBias = fields.boolean("mlp_bias", false);
  const hiddenSize = fields.count("hidden_size");
  const heads = fields.count("num_attention_heads");
  const headDim = fields.count("head_dim", Math.floor(hiddenSize / heads));
  const rope = fields.rope(headDim);
  const window = fields.optionalNumber("sliding_window") ?? 0;
  return {
    modelType: String(config.model_type),
    vocabularySize: fields.count("vocab_size"),
    hiddenSize,
    heads,
    keyValueHeads: fields.count("num_key_value_heads", heads),
    headDim,
    intermediateSize: fields.count("intermediate_size"),
    rmsNormEps: fields.number("rms_norm_eps", 1e-6),
    maxPositions: rope.maxPositions,
    layers: Array.from({ length: fields.count("num_hidden_layers") }, () => ({ window, rope })),
    tiedHead: fields.boolean("tie_word_embeddings", false),
    embeddingScale: 1,
    normWeightOffset: 0,
    activation: config.hidden_act === "silu" || config.hidden_act === undefined ? "silu" : "gelu-tanh",
    attentionScale: 1 / Math.sqrt(headDim),
    attentionSoftcap: 0,
    logitSoftcap: 0,
    biases: { queryKeyValue: attentionBias, attentionOutput: attentionBias, gateUp: mlpBias, down: mlpBias },
    queryKeyNorm: false,
    fusedProjections: false,
    sandwichNorms: false,
  };
}
