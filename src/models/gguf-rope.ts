/**
 * `rope_scaling` as Transformers words it, from what a GGUF file says: a scaling type with a factor, or tensors of one divisor a frequency.
 */

import { readTensorBytes } from "../formats/file-bytes.ts";
import { decodeWeights } from "../quant/decode.ts";
import type { GgufFields } from "./gguf-fields.ts";

/** Undefined when positions are not stretched. @throws FileFormatError for a type that remora does not know */
export function readGgufRopeScaling(fields: GgufFields, theta: number, rotary: number): Record<string, unknown> | undefined {
  const attentionFactor = fields.number("%.rope.scaling.attn_factor");
  const original = fields.count("%.rope.scaling.original_context_length");
  const originalPositions = original === undefined ? {} : { original_max_position_embeddings: original };

  const long = readFactors(fields, "rope_factors_long.weight", rotary);
  const short = readFactors(fields, "rope_factors_short.weight", rotary);
  if (long && short) {
    const attention = attentionFactor === undefined ? {} : { attention_factor: attentionFactor };
    return { rope_type: "longrope", long_factor: long, short_factor: short, ...originalPositions, ...attention };
  }
  const divisors = readFactors(fields, "rope_freqs.weight", rotary);
  if (divisors) return recogniseLlama3(divisors, theta, rotary) ?? { rope_type: "divisors", divisors };

  const type = fields.text("%.rope.scaling.type") ?? "none";
  const factor = fields.number("%.rope.scaling.factor") ?? fields.number("%.rope.scale_linear");
  if (type === "linear" || (type === "none" && fields.value("%.rope.scale_linear") !== undefined)) {
    return factor === undefined || factor === 1 ? undefined : { rope_type: "linear", factor };
  }
  if (type === "yarn") {
    if (factor === undefined) fields.fail(fields.key("%.rope.scaling.factor"), "a number", "nothing");
    const scaling: Record<string, unknown> = { rope_type: "yarn", factor, ...originalPositions };
    const betaFast = fields.number("%.rope.scaling.yarn_beta_fast");
    const betaSlow = fields.number("%.rope.scaling.yarn_beta_slow");
    if (betaFast !== undefined) scaling.beta_fast = betaFast;
    if (betaSlow !== undefined) scaling.beta_slow = betaSlow;
    // llama.cpp multiplies the file's factor by YaRN's own; Transformers' field replaces the product.
    if (attentionFactor !== undefined) scaling.attention_factor = attentionFactor * (factor > 1 ? 0.1 * Math.log(factor) + 1 : 1);
    return scaling;
  }
  if (type === "none" || type === "longrope") {
    if (type === "longrope")
      fields.fail(fields.key("%.rope.scaling.type"), "the tensors rope_factors_long and rope_factors_short with longrope", "neither");
    return undefined;
  }
  return fields.fail(
    fields.key("%.rope.scaling.type"),
    "none, linear, yarn or longrope",
    JSON.stringify(type),
    "This way of stretching positions is not supported yet.",
  );
}

function readFactors(fields: GgufFields, name: string, rotary: number): number[] | undefined {
  const view = fields.file.tensors.get(name);
  if (!view) return undefined;
  if (view.dtype !== "F32" || view.shape.length !== 1 || view.shape[0] !== rotary / 2) {
    fields.fail(`tensor ${name}`, `F32 [${rotary / 2}]`, `${view.dtype} [${view.shape.join(", ")}]`);
  }
  const factors = decodeWeights("f32", readTensorBytes(view), rotary / 2);
  if (!factors.every((factor) => Number.isFinite(factor) && factor > 0)) fields.fail(`tensor ${name}`, "positive numbers", "others");
  return Array.from(factors);
}

/**
 * Converters store Llama 3's rule only as its result. With the settings that every Llama 3 release uses (low 1, high 4, 8,192 positions) the
 * rule is recognised and given back as such, so that a saved config reads as the original; anything else stays a list of divisors.
 */
function recogniseLlama3(divisors: readonly number[], theta: number, rotary: number): Record<string, unknown> | undefined {
  const [low, high, original] = [1, 4, 8192];
  const factor = Math.max(...divisors);
  if (factor <= 1) return undefined;
  const agrees = divisors.every((divisor, i) => {
    const wavelength = 2 * Math.PI * theta ** ((2 * i) / rotary);
    const smooth = Math.min(1, Math.max(0, (original / wavelength - low) / (high - low)));
    const expected = 1 / ((1 - smooth) / factor + smooth);
    return Math.abs(divisor - expected) <= 1e-4 * expected;
  });
  if (!agrees) return undefined;
  return { rope_type: "llama3", factor, low_freq_factor: low, high_freq_factor: high, original_max_position_embeddings: original };
}
