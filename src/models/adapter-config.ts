/**
 * `adapter_config.json` as Python PEFT writes and reads it. Field names stay as in the file.
 *
 * remora computes plain LoRA on linears. Everything else that PEFT can express there and that would change the result is refused by name:
 * loading such an adapter as plain LoRA would answer differently without a word.
 * Source: `LoraConfig` of PEFT 0.21.
 */
import { AdapterError } from "../errors/adapter-error.ts";
import { describeValue, isObject } from "../formats/untrusted-json.ts";

export interface AdapterConfig {
  /** R, where `rankPattern` does not say otherwise. */
  readonly rank: number;
  /** Alpha, where `alphaPattern` does not say otherwise. */
  readonly alpha: number;
  /** Scale alpha / sqrt(R) instead of alpha / R. */
  readonly useRslora: boolean;
  /** In training only. */
  readonly dropout: number;
  /** Regular expressions on module paths → rank, alpha. */
  readonly rankPattern: Readonly<Record<string, number>>;
  readonly alphaPattern: Readonly<Record<string, number>>;
  /** Module names, or one regular expression. Which modules really have weights is seen in the weights file. */
  readonly targetModules: readonly string[] | string;
  readonly baseModel: string | undefined;
  readonly revision: string | undefined;
}

/** Field → the values that mean plain LoRA. Fields that PEFT adds later and that are null, false or empty are harmless as well. */
const PLAIN_VALUES: Readonly<Record<string, readonly unknown[]>> = {
  bias: ["none", null],
  init_lora_weights: [true, false, "gaussian", "orthogonal", "eva", null],
};

/** Fields whose content changes what is computed, refused when they are set to anything. */
const CHANGES_THE_RESULT = [
  "use_dora",
  "use_qalora",
  "use_bdlora",
  "lora_bias",
  "fan_in_fan_out",
  "modules_to_save",
  "layer_replication",
  "target_parameters",
  "trainable_token_indices",
  "alora_invocation_tokens",
  "arrow_config",
  "kasa_config",
  "monteclora_config",
  "velora_config",
];

/** @throws AdapterError naming the field */
export function parseAdapterConfig(fields: Readonly<Record<string, unknown>>, path: string): AdapterConfig {
  const fail = (field: string, expected: string, next?: string): never => {
    throw new AdapterError(path, `${field}: expected ${expected}, found ${describeValue(fields[field])}`, next);
  };
  if (fields.peft_type !== "LORA") fail("peft_type", '"LORA"', "Only LoRA adapters can be loaded.");
  for (const [field, allowed] of Object.entries(PLAIN_VALUES)) {
    if (fields[field] !== undefined && !allowed.includes(fields[field])) {
      fail(
        field,
        allowed
          .filter((value) => value !== null)
          .map((value) => JSON.stringify(value))
          .join(" or "),
        "Merge the adapter into its base with the tool that made it.",
      );
    }
  }
  for (const field of CHANGES_THE_RESULT) {
    if (!isUnset(fields[field]))
      fail(field, "nothing", "remora computes plain LoRA only: merge the adapter into its base with the tool that made it.");
  }
  const positive = (field: string, whole: boolean): number => {
    const value = fields[field];
    const fits = typeof value === "number" && Number.isFinite(value) && value > 0 && (!whole || Number.isInteger(value));
    return fits ? value : fail(field, whole ? "a positive integer" : "a positive number");
  };
  const pattern = (field: string): Record<string, number> => {
    const value = fields[field] ?? {};
    if (!isObject(value) || !Object.values(value).every((each) => typeof each === "number" && each > 0))
      return fail(field, "an object of positive numbers");
    for (const key of Object.keys(value))
      if (!compilePattern(key))
        return fail(field, `keys that are regular expressions with at most ${MAX_REPETITIONS} repetitions and no repeated groups`);
    return value as Record<string, number>;
  };
  const { target_modules: targets, base_model_name_or_path: base, revision, lora_dropout: dropout } = fields;
  const targetsFit = typeof targets === "string" || (Array.isArray(targets) && targets.every((target) => typeof target === "string"));
  return {
    rank: positive("r", true),
    alpha: positive("lora_alpha", false),
    useRslora: fields.use_rslora === true,
    dropout:
      typeof dropout === "number" && dropout >= 0 && dropout < 1
        ? dropout
        : dropout === undefined
          ? 0
          : fail("lora_dropout", "a number from 0 to 1"),
    rankPattern: pattern("rank_pattern"),
    alphaPattern: pattern("alpha_pattern"),
    targetModules: targetsFit ? (targets as string | string[]) : fail("target_modules", "a list of module names or a regular expression"),
    baseModel: typeof base === "string" ? base : undefined,
    revision: typeof revision === "string" ? revision : undefined,
  };
}

/** PEFT's rule: the first key that matches the end of the path, whole segments. Falls back to `fallback`. */
export function matchPattern(pattern: Readonly<Record<string, number>>, path: string, fallback: number): number {
  const key = Object.keys(pattern).find((each) => compilePattern(each)?.test(path));
  return key === undefined ? fallback : pattern[key]!;
}

/** Keys come from an untrusted file, and some expressions take for ever: no repeated groups, and few repetitions. PEFT's examples have one. */
const MAX_REPETITIONS = 3;

function compilePattern(key: string): RegExp | undefined {
  const repetitions = key.replaceAll(/\\./g, "_").match(/[*+{]/g)?.length ?? 0;
  if (repetitions > MAX_REPETITIONS || /\)[*+{]/.test(key)) return undefined;
  try {
    return new RegExp(`^(.*\\.)?(${key})$`);
  } catch {
    return undefined;
  }
}

/** Every field of PEFT 0.21's LoraConfig, so that it loads there as if written there. */
export function formatAdapterConfig(config: AdapterConfig): Record<string, unknown> {
  return {
    alora_invocation_tokens: null,
    alpha_pattern: config.alphaPattern,
    arrow_config: null,
    auto_mapping: null,
    base_model_name_or_path: config.baseModel ?? null,
    bias: "none",
    corda_config: null,
    ensure_weight_tying: false,
    eva_config: null,
    exclude_modules: null,
    fan_in_fan_out: false,
    inference_mode: true,
    init_lora_weights: true,
    layer_replication: null,
    layers_pattern: null,
    layers_to_transform: null,
    loftq_config: {},
    lora_alpha: config.alpha,
    lora_bias: false,
    lora_dropout: config.dropout,
    megatron_config: null,
    megatron_core: "megatron.core",
    modules_to_save: null,
    peft_type: "LORA",
    qalora_group_size: 16,
    r: config.rank,
    rank_pattern: config.rankPattern,
    revision: config.revision ?? null,
    target_modules: config.targetModules,
    target_parameters: null,
    task_type: "CAUSAL_LM",
    trainable_token_indices: null,
    use_dora: false,
    use_qalora: false,
    use_rslora: config.useRslora,
  };
}

const isUnset = (value: unknown): boolean =>
  value === undefined ||
  value === null ||
  value === false ||
  (Array.isArray(value) && value.length === 0) ||
  (isObject(value) && Object.keys(value).length === 0);
