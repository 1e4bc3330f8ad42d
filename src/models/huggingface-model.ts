/**
 * A Hugging Face model folder as a source of weights: config.json, safetensors (one file or shards), bitsandbytes NF4 included.
 *
 * Vision-language checkpoints (Gemma 3) keep the text model under a prefix and its config under `text_config`; both are lifted out here, and
 * the parts for images are left alone.
 */
import { join } from "node:path";
import { FileFormatError } from "../errors/file-format-error.ts";
import { readJsonObject } from "../formats/json-file.ts";
import { readSafetensorsFolder } from "../formats/safetensors-folder.ts";
import type { SafetensorsView } from "../formats/safetensors-reader.ts";
import { isObject } from "../formats/untrusted-json.ts";
import { describeBitsAndBytesTensor, isBitsAndBytesCompanion, refuseOtherQuantization } from "./bitsandbytes-tensor.ts";
import type { StoredFormat, StoredTensor, WeightSource } from "./stored-weights.ts";

const FORMATS: Readonly<Record<string, StoredFormat>> = { F32: "f32", F16: "f16", BF16: "bf16" };

/** @throws FileAccessError when there is no config.json · FileFormatError */
export function openHuggingFaceModel(folder: string): WeightSource {
  const configPath = join(folder, "config.json");
  const config = textConfig(readJsonObject(configPath));
  refuseOtherQuantization(config, configPath);
  const views = new Map<string, SafetensorsView>();
  for (const [name, view] of readSafetensorsFolder(folder)) {
    const textName = textParameterName(name);
    if (textName !== undefined) views.set(textName, view);
  }
  const names = [...views.keys()].filter((name) => !isBitsAndBytesCompanion(name));
  const known = new Map<string, StoredTensor>();
  return {
    format: "huggingface",
    path: folder,
    config,
    tokenizerSource: { kind: "folder", path: folder },
    names: () => names,
    tensor(name) {
      const view = views.get(name);
      if (!view || isBitsAndBytesCompanion(name)) return undefined;
      const stored = known.get(name) ?? describeBitsAndBytesTensor(name, view, views) ?? describeDenseTensor(name, view);
      known.set(name, stored);
      return stored;
    },
  };
}

function describeDenseTensor(name: string, view: SafetensorsView): StoredTensor {
  const format = FORMATS[view.dtype];
  if (!format) {
    throw new FileFormatError({
      format: "safetensors",
      path: view.path,
      where: `tensor "${view.name}"`,
      expected: `a type of ${Object.keys(FORMATS).join(", ")}, or bitsandbytes NF4`,
      found: view.dtype,
      next: "Use the model's 16-bit version.",
    });
  }
  const { path, byteOffset, byteLength, shape } = view;
  return { name, path, byteOffset, byteLength, format, shape, storedOffset: 0 };
}

/** The text model's name of a parameter; undefined for the parts that see images. */
function textParameterName(name: string): string | undefined {
  if (/^(model\.)?(vision_tower|vision_model|visual|multi_modal_projector|embed_vision)\./.test(name)) return undefined;
  return name.replace(/^(?:language_model\.model|model\.language_model)\./, "model.").replace(/^language_model\.lm_head\./, "lm_head.");
}

/** The fields of the text model, those that only the whole has (special tokens, quantization) kept. */
function textConfig(config: Readonly<Record<string, unknown>>): Record<string, unknown> {
  const { text_config: text, vision_config: _vision, model_type: outerType, architectures: _architectures, ...outer } = config;
  if (!isObject(text)) return { ...config };
  return { ...outer, ...text, model_type: text.model_type ?? `${String(outerType)}_text` };
}
