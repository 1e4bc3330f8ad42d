/**
 * A decoder's shape as GGUF metadata and rope tensors: the way back of `gguf-config.ts` and `gguf-rope.ts`.
 *
 * llama.cpp derives some of a model from its architecture's name alone (activation, score scale, which layers have a window). A shape that differs
 * there cannot be said in the format, and is refused rather than saved as another model.
 */
import { ExportError } from "../errors/export-error.ts";
import type { GgufEntry } from "../formats/gguf-writer.ts";
import type { RopeSettings } from "../nn/rope-table.ts";
import type { DecoderShape } from "./decoder-shape.ts";
import type { GgufArchitecture } from "./gguf-names.ts";

/** `model_type` → the architecture that llama.cpp runs it as. Mistral's is Llama's. */
const ARCHITECTURES: Readonly<Record<string, GgufArchitecture>> = {
  llama: "llama",
  mistral: "llama",
  qwen2: "qwen2",
  qwen3: "qwen3",
  gemma3_text: "gemma3",
  phi3: "phi3",
};

/** llama.cpp takes Gemma 3 27B's score scale from its 62 layers, see `gguf-config.ts`. */
const GEMMA_27B_LAYERS = 62;
/** Every sixth layer of Gemma 3 sees everything; llama.cpp knows that by itself. */
const GEMMA_PATTERN = 6;

export interface GgufHyperparameters {
  readonly architecture: GgufArchitecture;
  readonly entries: readonly GgufEntry[];
  /** Divisors of the rotary frequencies, f32 [rotary / 2] each. */
  readonly ropeTensors: readonly { readonly name: string; readonly values: Float32Array }[];
}

/** @throws ExportError for a shape that GGUF cannot say */
export function ggufHyperparameters(shape: DecoderShape, where: string): GgufHyperparameters {
  const refuse = (field: string, expected: string, found: unknown): never => {
    throw new ExportError(
      `Saving ${where} as GGUF`,
      `${field}: expected ${expected}, which is all that llama.cpp runs, found ${String(found)}`,
      "Save it as 16bit or nf4 instead.",
    );
  };
  const architecture = ARCHITECTURES[shape.modelType] ?? refuse("model_type", Object.keys(ARCHITECTURES).join(", "), shape.modelType);
  const isGemma = architecture === "gemma3";
  const activation = isGemma ? "gelu-tanh" : "silu";
  if (shape.activation !== activation) refuse("activation", activation, shape.activation);
  if (shape.attentionSoftcap !== 0) refuse("attention soft cap", "none", shape.attentionSoftcap);
  if (shape.logitSoftcap !== 0 && !isGemma) refuse("final_logit_softcapping", "none", shape.logitSoftcap);
  const scaleFrom = isGemma && shape.layers.length === GEMMA_27B_LAYERS ? shape.hiddenSize / shape.heads : shape.headDim;
  if (Math.abs(shape.attentionScale * Math.sqrt(scaleFrom) - 1) > 1e-6)
    refuse("query_pre_attn_scalar", `${scaleFrom}`, Number((1 / shape.attentionScale ** 2).toPrecision(6)));

  const entries: GgufEntry[] = [];
  const u32 = (name: string, value: number) => entries.push({ key: `${architecture}.${name}`, type: "u32", value });
  const f32 = (name: string, value: number) => entries.push({ key: `${architecture}.${name}`, type: "f32", value });
  const global = shape.layers.find(({ window }) => window === 0) ?? shape.layers[0]!;
  u32("context_length", shape.maxPositions);
  u32("embedding_length", shape.hiddenSize);
  u32("block_count", shape.layers.length);
  u32("feed_forward_length", shape.intermediateSize);
  u32("attention.head_count", shape.heads);
  u32("attention.head_count_kv", shape.keyValueHeads);
  u32("attention.key_length", shape.headDim);
  u32("attention.value_length", shape.headDim);
  u32("vocab_size", shape.vocabularySize);
  u32("rope.dimension_count", global.rope.rotary);
  f32("rope.freq_base", global.rope.theta);
  f32("attention.layer_norm_rms_epsilon", shape.rmsNormEps);
  if (shape.logitSoftcap !== 0) f32("final_logit_softcapping", shape.logitSoftcap);
  entries.push(...windowEntries(shape, architecture, refuse));
  const local = shape.layers.find(({ window }) => window > 0);
  if (isGemma && local) f32("rope.freq_base_swa", local.rope.theta);
  return { architecture, entries, ropeTensors: ropeScaling(global.rope, architecture, entries, refuse) };
}

type Refuse = (field: string, expected: string, found: unknown) => never;

function windowEntries(shape: DecoderShape, architecture: GgufArchitecture, refuse: Refuse): GgufEntry[] {
  const windows = shape.layers.map(({ window }) => window);
  const sizes = [...new Set(windows.filter((window) => window > 0))];
  if (sizes.length === 0) return [];
  if (sizes.length > 1) refuse("sliding_window", "one size for all layers", sizes.join(", "));
  const entry: GgufEntry = { key: `${architecture}.attention.sliding_window`, type: "u32", value: sizes[0]! };
  if (architecture === "gemma3") {
    const usual = windows.every((window, layer) => window > 0 === ((layer + 1) % GEMMA_PATTERN !== 0));
    const pattern: GgufEntry = {
      key: `${architecture}.attention.sliding_window_pattern`,
      type: "bools",
      value: windows.map((window) => window > 0),
    };
    return usual ? [entry] : [entry, pattern];
  }
  if (architecture === "qwen2" || architecture === "qwen3") refuse("use_sliding_window", "false", "true");
  if (windows.includes(0)) refuse("layer_types", "a window on every layer, or on none", "a window on some");
  return [entry];
}

/** Adds metadata, returns tensors. */
function ropeScaling(
  rope: RopeSettings,
  architecture: GgufArchitecture,
  entries: GgufEntry[],
  refuse: Refuse,
): { name: string; values: Float32Array }[] {
  const { scaling, rotary, theta } = rope;
  const key = (name: string) => `${architecture}.rope.scaling.${name}`;
  const f32 = (name: string, value: number) => entries.push({ key: key(name), type: "f32", value });
  const u32 = (name: string, value: number) => entries.push({ key: key(name), type: "u32", value });
  const type = (value: string) => entries.push({ key: key("type"), type: "string", value });
  switch (scaling.type) {
    case "none":
      return [];
    case "linear":
      type("linear");
      f32("factor", scaling.factor);
      return [];
    case "yarn":
      if (!scaling.truncate) refuse("rope_scaling.truncate", "true", "false");
      type("yarn");
      f32("factor", scaling.factor);
      u32("original_context_length", scaling.originalPositions);
      f32("yarn_beta_fast", scaling.betaFast);
      f32("yarn_beta_slow", scaling.betaSlow);
      // llama.cpp multiplies the file's factor by YaRN's own.
      f32("attn_factor", scaling.attentionFactor / (scaling.factor > 1 ? 0.1 * Math.log(scaling.factor) + 1 : 1));
      return [];
    case "llama3":
      return [{ name: "rope_freqs.weight", values: llama3Divisors(scaling, theta, rotary) }];
    case "divisors":
      return [{ name: "rope_freqs.weight", values: Float32Array.from(scaling.divisors) }];
    case "longrope":
      u32("original_context_length", scaling.originalPositions);
      f32("attn_factor", scaling.attentionFactor);
      return [
        { name: "rope_factors_long.weight", values: Float32Array.from(scaling.longFactor) },
        { name: "rope_factors_short.weight", values: Float32Array.from(scaling.shortFactor) },
      ];
  }
}

/** Llama 3's rule as its result: slow frequencies are divided by `factor`, fast ones stay, those between are blended. */
function llama3Divisors(
  scaling: { factor: number; lowFrequencyFactor: number; highFrequencyFactor: number; originalPositions: number },
  theta: number,
  rotary: number,
): Float32Array {
  const { factor, lowFrequencyFactor: low, highFrequencyFactor: high, originalPositions } = scaling;
  return Float32Array.from({ length: rotary / 2 }, (_, i) => {
    const wavelength = 2 * Math.PI * theta ** ((2 * i) / rotary);
    const smooth = Math.min(1, Math.max(0, (originalPositions / wavelength - low) / (high - low)));
    return 1 / ((1 - smooth) / factor + smooth);
  });
}
