/**
 * What stands beside the weights of a Hugging Face folder: config.json, generation_config.json, tokenizer files, chat template. Taken from the base
 * where it has them, made from the metadata where it is a GGUF file.
 */
import { copyFileSync, existsSync, statSync } from "node:fs";
import { join } from "node:path";
import { ExportError } from "../errors/export-error.ts";
import { writeFileAtomically } from "../formats/atomic-file.ts";
import { isObject } from "../formats/untrusted-json.ts";
import type { WeightSource } from "../models/stored-weights.ts";
import { ggufTokenizerJson } from "../text/gguf-tokenizer.ts";
import type { Tokenizer } from "../text/tokenizer.ts";
import { tokenizerFiles } from "../text/write-tokenizer-json.ts";
import type { HalfDType } from "./huggingface-weights.ts";

/** Copied when the base has them. */
const COMPANIONS = [
  "tokenizer.json",
  "tokenizer_config.json",
  "tokenizer.model",
  "special_tokens_map.json",
  "added_tokens.json",
  "vocab.json",
  "merges.txt",
  "generation_config.json",
  "chat_template.jinja",
];

const CLASSES: Readonly<Record<string, string>> = {
  llama: "LlamaForCausalLM",
  mistral: "MistralForCausalLM",
  qwen2: "Qwen2ForCausalLM",
  qwen3: "Qwen3ForCausalLM",
  gemma3_text: "Gemma3ForCausalLM",
  phi3: "Phi3ForCausalLM",
};

/** What the companions are made from: a model's files, its weights not among them. */
export type CompanionSource = Pick<WeightSource, "format" | "path" | "config" | "tokenizerSource">;

export interface HuggingFaceNotes {
  readonly dtype: HalfDType | "f32";
  /** `quantization_config`; absent for 16 bits. */
  readonly quantization?: Readonly<Record<string, unknown>>;
  /** The prompt template that the adapter learnt, for remora's own reader. */
  readonly template?: string;
}

/** @throws FileAccessError · ExportError for a config that Transformers has no words for */
export async function writeCompanions(
  folder: string,
  source: CompanionSource,
  tokenizer: Tokenizer,
  notes: HuggingFaceNotes,
): Promise<void> {
  const json = (name: string, value: unknown) => writeFileAtomically(join(folder, name), `${JSON.stringify(value, null, 2)}\n`);
  await json("config.json", huggingFaceConfig(source, notes));
  if (source.tokenizerSource.kind === "folder") {
    for (const name of COMPANIONS) {
      const from = join(source.tokenizerSource.path, name);
      if (existsSync(from)) copyFileSync(from, join(folder, name));
    }
  } else {
    const { path, metadata } = source.tokenizerSource;
    const { json: description, conventions } = ggufTokenizerJson(metadata, path);
    for (const [name, value] of Object.entries(tokenizerFiles(description, conventions, tokenizer))) await json(name, value);
    const { bos, eos, pad } = tokenizer;
    await json("generation_config.json", {
      _from_model_config: true,
      ...(bos === undefined ? {} : { bos_token_id: bos }),
      eos_token_id: eos.length === 1 ? eos[0] : eos,
      ...(pad === undefined ? {} : { pad_token_id: pad }),
    });
  }
  if (notes.template !== undefined) await json("remora.json", { template: notes.template });
}

const TORCH_NAMES = { f32: "float32", f16: "float16", bf16: "bfloat16" } as const;

/** config.json of what is written. @throws ExportError for a config that Transformers has no words for */
export function huggingFaceConfig(source: CompanionSource, notes: HuggingFaceNotes): Record<string, unknown> {
  const { quantization_config: _, torch_dtype: __, dtype: ___, architectures, ...config } = source.config;
  const scaling = config.rope_scaling;
  if (isObject(scaling) && scaling.rope_type === "divisors") {
    const problem = "its rotary frequencies are a list of divisors, which config.json has no words for";
    throw new ExportError(`Saving ${source.path} as a Hugging Face folder`, problem, "Save it as gguf instead.");
  }
  const named = Array.isArray(architectures) ? architectures : [CLASSES[String(config.model_type)] ?? "AutoModelForCausalLM"];
  return {
    architectures: named,
    ...config,
    ...(source.format === "gguf" ? tokenFields(config) : {}),
    // Transformers 5 writes `dtype`, every earlier version reads `torch_dtype`; both understand the older name.
    torch_dtype: TORCH_NAMES[notes.dtype],
    ...(notes.quantization ? { quantization_config: notes.quantization } : {}),
  };
}

/** Metadata's name for the padding token. */
function tokenFields({ padding_token_id: pad }: Readonly<Record<string, unknown>>): Record<string, unknown> {
  return { padding_token_id: undefined, ...(pad === undefined ? {} : { pad_token_id: pad }) };
}

/** `quantization_config` as Transformers writes it for NF4 with double quantization. */
export function bitsAndBytesConfig(dtype: HalfDType, skipped: readonly string[]): Record<string, unknown> {
  return {
    _load_in_4bit: true,
    _load_in_8bit: false,
    bnb_4bit_compute_dtype: dtype === "bf16" ? "bfloat16" : "float16",
    bnb_4bit_quant_storage: "uint8",
    bnb_4bit_quant_type: "nf4",
    bnb_4bit_use_double_quant: true,
    llm_int8_enable_fp32_cpu_offload: false,
    llm_int8_has_fp16_weight: false,
    llm_int8_skip_modules: skipped,
    // No llm_int8_threshold: Transformers insists on a Python float, and JSON written here has no 6.0, only 6.
    load_in_4bit: true,
    load_in_8bit: false,
    quant_method: "bitsandbytes",
  };
}

/** Bytes of what is copied, for the check of free space. */
export function companionBytes(source: WeightSource): number {
  if (source.tokenizerSource.kind === "gguf") return 32e6;
  const { path } = source.tokenizerSource;
  return COMPANIONS.reduce((sum, name) => sum + (statSync(join(path, name), { throwIfNoEntry: false })?.size ?? 0), 65_536);
}
