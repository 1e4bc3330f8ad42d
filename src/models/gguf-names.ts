/**
 * Parameter names of GGUF files ↔ Hugging Face's, for each architecture that remora runs.
 *
 * Both directions come from one table. Source: `tensor_mapping.py` of llama.cpp's gguf package, checked against real files.
 */

/** The architectures (`general.architecture`) and the `model_type` that runs them. */
export const GGUF_ARCHITECTURES = {
  llama: { modelType: "llama" },
  mistral: { modelType: "mistral" },
  qwen2: { modelType: "qwen2" },
  qwen3: { modelType: "qwen3" },
  gemma3: { modelType: "gemma3_text" },
  phi3: { modelType: "phi3" },
} as const;

export type GgufArchitecture = keyof typeof GGUF_ARCHITECTURES;

export const isGgufArchitecture = (name: unknown): name is GgufArchitecture =>
  typeof name === "string" && Object.hasOwn(GGUF_ARCHITECTURES, name);

/** Architectures whose q and k rows llama.cpp keeps interleaved. The others rotate halves, as Hugging Face does. */
export const INTERLEAVES_HEADS: ReadonlySet<GgufArchitecture> = new Set(["llama", "mistral"]);

/** Architectures whose norm weights are stored with one added. */
export const NORMS_HOLD_ONE_MORE: ReadonlySet<GgufArchitecture> = new Set(["gemma3"]);

const MODEL_NAMES: Readonly<Record<string, string>> = {
  token_embd: "model.embed_tokens",
  output_norm: "model.norm",
  output: "lm_head",
};

const ATTENTION_AND_DOWN: Readonly<Record<string, string>> = {
  attn_norm: "input_layernorm",
  attn_q: "self_attn.q_proj",
  attn_k: "self_attn.k_proj",
  attn_v: "self_attn.v_proj",
  attn_output: "self_attn.o_proj",
  ffn_down: "mlp.down_proj",
};

const PLAIN: Readonly<Record<string, string>> = {
  ...ATTENTION_AND_DOWN,
  ffn_norm: "post_attention_layernorm",
  ffn_gate: "mlp.gate_proj",
  ffn_up: "mlp.up_proj",
};

const HEAD_NORMS: Readonly<Record<string, string>> = { attn_q_norm: "self_attn.q_norm", attn_k_norm: "self_attn.k_norm" };

const LAYER_NAMES: Readonly<Record<GgufArchitecture, Readonly<Record<string, string>>>> = {
  llama: PLAIN,
  mistral: PLAIN,
  qwen2: PLAIN,
  qwen3: { ...PLAIN, ...HEAD_NORMS },
  gemma3: {
    ...PLAIN,
    ...HEAD_NORMS,
    post_attention_norm: "post_attention_layernorm",
    ffn_norm: "pre_feedforward_layernorm",
    post_ffw_norm: "post_feedforward_layernorm",
  },
  // q|k|v in one matrix, gate|up in another that GGUF calls ffn_up.
  phi3: { ...ATTENTION_AND_DOWN, attn_qkv: "self_attn.qkv_proj", ffn_norm: "post_attention_layernorm", ffn_up: "mlp.gate_up_proj" },
};

/** Rope factors: they go into the config, not into the parameters. */
export const ROPE_TENSORS: ReadonlySet<string> = new Set(["rope_freqs.weight", "rope_factors_long.weight", "rope_factors_short.weight"]);

/** `blk.0.attn_q.weight` → `model.layers.0.self_attn.q_proj.weight`; undefined for a name that the architecture does not have. */
export function huggingFaceName(architecture: GgufArchitecture, name: string): string | undefined {
  const layer = /^blk\.(\d{1,6})\.([a-z_]+)\.(weight|bias)$/.exec(name);
  if (layer) {
    const part = lookUp(LAYER_NAMES[architecture], layer[2]!);
    return part && `model.layers.${Number(layer[1])}.${part}.${layer[3]}`;
  }
  const model = /^([a-z_]+)\.(weight|bias)$/.exec(name);
  const part = model && lookUp(MODEL_NAMES, model[1]!);
  return part ? `${part}.${model[2]}` : undefined;
}

/** The way back: `lm_head.weight` → `output.weight`. */
export function ggufName(architecture: GgufArchitecture, name: string): string | undefined {
  const layer = /^model\.layers\.(\d{1,6})\.(.+)\.(weight|bias)$/.exec(name);
  if (layer) {
    const part = lookBack(LAYER_NAMES[architecture], layer[2]!);
    return part && `blk.${Number(layer[1])}.${part}.${layer[3]}`;
  }
  const model = /^(.+)\.(weight|bias)$/.exec(name);
  const part = model && lookBack(MODEL_NAMES, model[1]!);
  return part ? `${part}.${model[2]}` : undefined;
}

const lookUp = (table: Readonly<Record<string, string>>, key: string): string | undefined =>
  Object.hasOwn(table, key) ? table[key] : undefined;
const lookBack = (table: Readonly<Record<string, string>>, value: string): string | undefined =>
  Object.keys(table).find((key) => table[key] === value);
