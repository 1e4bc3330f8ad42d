/**
 * Rotary angles: the table [positions, rotary/2, 2] = (cos, sin) f32 that the rope op reads, and the ways that models stretch it
 * (`rope_scaling`): linear, dynamic-free llama3, yarn and longrope. An unknown type is refused, because guessing would train garbage.
 *
 * Angles are made as Transformers makes them: inverse frequencies and the product with the position in f32.
 * Sources: Su et al. 2021, arXiv:2104.09864; YaRN: Peng et al. 2023, arXiv:2309.00071; LongRoPE: Ding et al. 2024, arXiv:2402.13753.
 */
import { ConfigValueError } from "../errors/config-value-error.ts";

export interface RopeSettings {
  /** Rotated elements of a head, at most headDim. */
  readonly rotary: number;
  readonly theta: number;
  readonly scaling: RopeScaling;
  readonly maxPositions: number;
}

export type RopeScaling =
  | { readonly type: "none" }
  | { readonly type: "linear"; readonly factor: number }
  | {
      readonly type: "llama3";
      readonly factor: number;
      readonly lowFrequencyFactor: number;
      readonly highFrequencyFactor: number;
      readonly originalPositions: number;
    }
  | {
      readonly type: "yarn";
      readonly factor: number;
      readonly betaFast: number;
      readonly betaSlow: number;
      readonly originalPositions: number;
      readonly attentionFactor: number;
      readonly truncate: boolean;
    }
  | {
      readonly type: "longrope";
      readonly shortFactor: readonly number[];
      readonly longFactor: readonly number[];
      readonly originalPositions: number;
      readonly attentionFactor: number;
    }
  /** Per-frequency divisors straight from a GGUF file's `rope_freqs.weight`. */
  | { readonly type: "divisors"; readonly divisors: readonly number[] };

type Fields = Readonly<Record<string, unknown>>;

/** Reads `rope_scaling` (or Transformers 5's `rope_parameters`) of a config.json. @throws ConfigValueError for an unknown type */
export function readRopeScaling(fields: Fields | null | undefined, maxPositions: number, originalFromConfig?: number): RopeScaling {
  if (!fields) return { type: "none" };
  const type = String(fields.rope_type ?? fields.type ?? "default");
  const number = (name: string, fallback?: number): number => {
    const value = fields[name] ?? fallback;
    if (typeof value !== "number") throw new ConfigValueError(`rope_scaling.${name}`, "a number", value);
    return value;
  };
  const list = (name: string): number[] => {
    const value = fields[name];
    if (!Array.isArray(value)) throw new ConfigValueError(`rope_scaling.${name}`, "a list of numbers", value);
    return value.map(Number);
  };
  const original = number("original_max_position_embeddings", originalFromConfig ?? maxPositions);
  switch (type) {
    case "default":
    case "none":
      return { type: "none" };
    case "linear":
      return { type: "linear", factor: number("factor") };
    case "llama3":
      return {
        type: "llama3",
        factor: number("factor"),
        lowFrequencyFactor: number("low_freq_factor"),
        highFrequencyFactor: number("high_freq_factor"),
        originalPositions: original,
      };
    case "yarn":
      return {
        type: "yarn",
        factor: number("factor"),
        betaFast: number("beta_fast", 32),
        betaSlow: number("beta_slow", 1),
        originalPositions: original,
        attentionFactor: yarnAttentionFactor(fields, number("factor")),
        truncate: fields.truncate !== false,
      };
    case "longrope":
    case "su": {
      const factor = typeof fields.factor === "number" ? fields.factor : maxPositions / original;
      const fallback = factor <= 1 ? 1 : Math.sqrt(1 + Math.log(factor) / Math.log(original));
      return {
        type: "longrope",
        shortFactor: list("short_factor"),
        longFactor: list("long_factor"),
        originalPositions: original,
        attentionFactor: number("attention_factor", fallback),
      };
    }
    case "divisors":
      return { type: "divisors", divisors: list("divisors") };
    default:
      throw new ConfigValueError("rope_scaling.rope_type", "default, linear, llama3, yarn or longrope", type);
  }
}

function yarnAttentionFactor(fields: Fields, factor: number): number {
  if (typeof fields.attention_factor === "number") return fields.attention_factor;
  const magnitude = (scale: number, multiplier = 1) => (scale <= 1 ? 1 : 0.1 * multiplier * Math.log(scale) + 1);
  const { mscale, mscale_all_dim: allDim } = fields;
  if (typeof mscale === "number" && typeof allDim === "number") return magnitude(factor, mscale) / magnitude(factor, allDim);
  return magnitude(factor);
}

/** Inverse frequencies [rotary/2] and the factor on cos and sin, for sequences of up to `positions` tokens. */
function inverseFrequencies(settings: RopeSettings, positions: number): { frequencies: Float32Array; attentionFactor: number } {
  const { rotary, theta, scaling } = settings;
  const half = rotary / 2;
  const base = Float32Array.from({ length: half }, (_, i) => 1 / Math.fround(theta ** ((2 * i) / rotary)));
  switch (scaling.type) {
    case "none":
      return { frequencies: base, attentionFactor: 1 };
    case "linear":
      return { frequencies: base.map((frequency) => frequency / scaling.factor), attentionFactor: 1 };
    case "llama3":
      return { frequencies: base.map((frequency) => llama3Frequency(frequency, scaling)), attentionFactor: 1 };
    case "yarn":
      return { frequencies: yarnFrequencies(base, settings, scaling), attentionFactor: scaling.attentionFactor };
    case "longrope": {
      const factors = positions > scaling.originalPositions ? scaling.longFactor : scaling.shortFactor;
      if (factors.length !== half) throw new ConfigValueError("rope_scaling factors", `${half} numbers`, `${factors.length} numbers`);
      const frequencies = base.map((_, i) => 1 / Math.fround(Math.fround(factors[i]!) * Math.fround(theta ** ((2 * i) / rotary))));
      return { frequencies, attentionFactor: scaling.attentionFactor };
    }
    case "divisors": {
      if (scaling.divisors.length !== half) {
        throw new ConfigValueError("rope_freqs.weight", `${half} numbers`, `${scaling.divisors.length} numbers`);
      }
      return { frequencies: base.map((frequency, i) => frequency / scaling.divisors[i]!), attentionFactor: 1 };
    }
  }
}

/** Long wavelengths are divided by the factor, short ones kept, a smooth step between (Llama 3.1). */
function llama3Frequency(frequency: number, scaling: Extract<RopeScaling, { type: "llama3" }>): number {
  const wavelength = (2 * Math.PI) / frequency;
  const longest = scaling.originalPositions / scaling.lowFrequencyFactor;
  const shortest = scaling.originalPositions / scaling.highFrequencyFactor;
  if (wavelength > longest) return frequency / scaling.factor;
  if (wavelength < shortest) return frequency;
  const smooth =
    (scaling.originalPositions / wavelength - scaling.lowFrequencyFactor) / (scaling.highFrequencyFactor - scaling.lowFrequencyFactor);
  return ((1 - smooth) * frequency) / scaling.factor + smooth * frequency;
}

/** Mixes interpolated and original frequencies by a ramp over the dimensions (YaRN, "NTK by parts"). */
function yarnFrequencies(base: Float32Array, settings: RopeSettings, scaling: Extract<RopeScaling, { type: "yarn" }>): Float32Array {
  const { rotary, theta } = settings;
  const dimensionOf = (rotations: number) =>
    (rotary * Math.log(scaling.originalPositions / (rotations * 2 * Math.PI))) / (2 * Math.log(theta));
  let low = dimensionOf(scaling.betaFast);
  let high = dimensionOf(scaling.betaSlow);
  if (scaling.truncate) {
    low = Math.floor(low);
    high = Math.ceil(high);
  }
  low = Math.max(low, 0);
  high = Math.min(high, rotary - 1);
  if (low === high) high += 0.001;
  return base.map((frequency, i) => {
    const interpolated = Math.min(1, Math.max(0, (i - low) / (high - low)));
    return (frequency / scaling.factor) * interpolated + frequency * (1 - interpolated);
  });
}

/** The table of rows 0 … positions−1: f32 [positions, rotary/2, 2], cos then sin. */
export function ropeTable(settings: RopeSettings, positions: number): Float32Array {
  const { frequencies, attentionFactor } = inverseFrequencies(settings, positions);
  const half = settings.rotary / 2;
  const table = new Float32Array(positions * half * 2);
  for (let position = 0; position < positions; position++) {
    for (let i = 0; i < half; i++) {
      const angle = Math.fround(position * frequencies[i]!);
      const at = (position * half + i) * 2;
      table[at] = Math.cos(angle) * attentionFactor;
      table[at + 1] = Math.sin(angle) * attentionFactor;
    }
  }
  return table;
}
