/**
 * The fields of a Hugging Face config.json, from the metadata of a GGUF file.
 *
 * Sizes that tensors show (vocabulary, tied head, biases) are read off the tensors; the rest from metadata. Whatever would change the
 * forward pass and has no field here is refused rather than ignored.
 */
import { counted } from "../errors/counted.ts";
import type { GgufFields } from "./gguf-fields.ts";
import { GGUF_ARCHITECTURES, type GgufArchitecture } from "./gguf-names.ts";
import { readGgufRopeScaling } from "./gguf-rope.ts";

/** Metadata that changes the forward pass in ways that the listed architectures do not have. Value: the one harmless setting. */
const MUST_BE_NEUTRAL: Readonly<Record<string, number | boolean>> = {
  "%.expert_count": 0,
  "%.logit_scale": 1,
  "%.embedding_scale": 1,
  "%.residual_scale": 1,
  "%.attention.clamp_kqv": 0,
  "%.attention.max_alibi_bias": 0,
  "%.attention.causal": true,
  "%.use_parallel_residual": false,
};

/** llama.cpp derives Gemma 3 27B's score scale from its 62 layers, because the file does not hold it. */
const GEMMA_27B_LAYERS = 62;

/** @throws FileFormatError naming the field that is missing or odd */
export function readGgufConfig(fields: GgufFields, architecture: GgufArchitecture): Record<string, unknown> {
  refuseUnknownVariants(fields);
  const { tensors } = fields.file;
  const hiddenSize = fields.requiredCount("%.embedding_length");
  const layers = fields.requiredCount("%.block_count");
  // Whoever builds a table of layers may trust this number.
  if (layers > tensors.size)
    fields.fail(fields.key("%.block_count"), `no more layers than the ${counted(tensors.size, "tensor")} of the file`, `${layers}`);
  const heads = fields.uniformCount("%.attention.head_count") ?? fields.requiredCount("%.attention.head_count");
  const keyValueHeads = fields.uniformCount("%.attention.head_count_kv") ?? heads;
  const rotaryCount = fields.count("%.rope.dimension_count");
  const headDim = fields.count("%.attention.key_length") ?? Math.floor(hiddenSize / heads);
  const valueDim = fields.count("%.attention.value_length") ?? headDim;
  if (valueDim !== headDim) fields.fail(fields.key("%.attention.value_length"), `${headDim}, the length of a key`, `${valueDim}`);
  const rotary = rotaryCount ?? headDim;
  if (rotary > headDim || rotary % 2 !== 0)
    fields.fail(fields.key("%.rope.dimension_count"), `an even number up to ${headDim}`, `${rotary}`);
  const embedding = tensors.get("token_embd.weight");
  if (embedding?.shape.length !== 2)
    return fields.fail(
      "tensor token_embd.weight",
      "a matrix [vocabulary, width]",
      embedding ? `[${embedding.shape.join(", ")}]` : "nothing",
    );
  const theta = fields.number("%.rope.freq_base") ?? 10_000;

  const config: Record<string, unknown> = {
    model_type: GGUF_ARCHITECTURES[architecture].modelType,
    vocab_size: embedding.shape[0],
    hidden_size: hiddenSize,
    intermediate_size: fields.uniformCount("%.feed_forward_length") ?? fields.requiredCount("%.feed_forward_length"),
    num_hidden_layers: layers,
    num_attention_heads: heads,
    num_key_value_heads: keyValueHeads,
    head_dim: headDim,
    max_position_embeddings: fields.requiredCount("%.context_length"),
    rms_norm_eps:
      fields.number("%.attention.layer_norm_rms_epsilon") ??
      fields.fail(fields.key("%.attention.layer_norm_rms_epsilon"), "a number", "nothing"),
    rope_theta: theta,
    tie_word_embeddings: !tensors.has("output.weight"),
    ...tokenIds(fields),
  };
  if (rotary !== headDim) config.partial_rotary_factor = rotary / headDim;
  const scaling = readGgufRopeScaling(fields, theta, rotary);
  if (scaling) config.rope_scaling = scaling;
  const window = fields.count("%.attention.sliding_window");

  if (architecture === "gemma3") {
    config.hidden_activation = "gelu_pytorch_tanh";
    config.rope_local_base_freq = fields.number("%.rope.freq_base_swa") ?? 10_000;
    config.query_pre_attn_scalar = layers === GEMMA_27B_LAYERS ? hiddenSize / heads : headDim;
    config.sliding_window = window ?? 1024;
    const pattern = fields.value("%.attention.sliding_window_pattern");
    if (typeof pattern === "number") config.sliding_window_pattern = pattern;
    else if (Array.isArray(pattern)) config.layer_types = pattern.map((windowed) => (windowed ? "sliding_attention" : "full_attention"));
    for (const name of ["final_logit_softcapping", "attn_logit_softcapping"]) {
      const cap = fields.number(`%.${name}`);
      if (cap) config[name] = cap;
    }
  } else {
    config.hidden_act = "silu";
    const hasBias = tensors.has("blk.0.attn_q.bias") || tensors.has("blk.0.attn_qkv.bias") || tensors.has("blk.0.attn_output.bias");
    if (architecture !== "qwen2") config.attention_bias = hasBias;
    if (tensors.has("blk.0.ffn_down.bias")) config.mlp_bias = true;
    // Qwen's window is off unless the config turns it on, which GGUF files never do.
    if (window !== undefined && architecture !== "qwen2" && architecture !== "qwen3") config.sliding_window = window;
  }
  return config;
}

function refuseUnknownVariants(fields: GgufFields): void {
  for (const [name, neutral] of Object.entries(MUST_BE_NEUTRAL)) {
    const value = fields.value(name);
    if (value === undefined || value === neutral) continue;
    const next =
      name === "%.expert_count" ? "Mixture-of-experts models are not supported." : "This variant of the architecture is not supported yet.";
    fields.fail(fields.key(name), `${neutral} or nothing`, String(value), next);
  }
}

/** Special tokens; a model that ends a turn with another token than a text gets both as its ends, as in Hugging Face configs. */
function tokenIds(fields: GgufFields): Record<string, unknown> {
  const ids: Record<string, unknown> = {};
  const take = (field: string, key: string) => {
    const id = fields.number(`tokenizer.ggml.${key}`);
    if (id !== undefined) ids[field] = id;
  };
  take("bos_token_id", "bos_token_id");
  take("eos_token_id", "eos_token_id");
  take("pad_token_id", "padding_token_id");
  const turn = fields.number("tokenizer.ggml.eot_token_id");
  if (turn !== undefined && turn !== ids.eos_token_id) ids.eos_token_id = ids.eos_token_id === undefined ? turn : [ids.eos_token_id, turn];
  return ids;
}
