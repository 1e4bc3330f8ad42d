/**
 * A GGUF file (or a set of split files) as a source of weights: Hugging Face names and config, the file's own quantization.
 *
 * Unusual: llama-type files keep q and k rows interleaved, Gemma's norms hold w + 1, Phi-3's fused matrices keep their rows. Every tensor is
 * checked when the file is opened, so a model that cannot be used is refused before anything is loaded.
 */
import { existsSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { FileFormatError } from "../errors/file-format-error.ts";
import { UnknownModelError } from "../errors/unknown-model-error.ts";
import { type GgufFile, type GgufView, readGguf } from "../formats/gguf-reader.ts";
import { readGgufConfig } from "./gguf-config.ts";
import { GgufFields } from "./gguf-fields.ts";
import {
  GGUF_ARCHITECTURES,
  type GgufArchitecture,
  huggingFaceName,
  INTERLEAVES_HEADS,
  isGgufArchitecture,
  NORMS_HOLD_ONE_MORE,
  ROPE_TENSORS,
} from "./gguf-names.ts";
import type { StoredFormat, StoredTensor, WeightSource } from "./stored-weights.ts";

/** The file's word for a type → ours. Types that are not here cannot be computed with. */
export const GGUF_WEIGHT_FORMATS: Readonly<Record<string, StoredFormat>> = {
  F32: "f32",
  F16: "f16",
  BF16: "bf16",
  Q8_0: "q8_0",
  Q4_0: "q4_0",
  Q4_1: "q4_1",
  Q5_0: "q5_0",
  Q5_1: "q5_1",
  Q4_K: "q4_k",
  Q5_K: "q5_k",
  Q6_K: "q6_k",
};

/** @throws FileFormatError · FileAccessError · UnknownModelError for an architecture that remora cannot run */
export function openGgufModel(path: string): WeightSource {
  const file = readAllParts(path);
  const architecture = file.metadata.get("general.architecture");
  if (typeof architecture !== "string") {
    throw new FileFormatError({ format: "GGUF", path, where: 'metadata "general.architecture"', expected: "text", found: "nothing" });
  }
  if (!isGgufArchitecture(architecture)) throw new UnknownModelError(path, architecture, Object.keys(GGUF_ARCHITECTURES));
  const config = readGgufConfig(new GgufFields(file, architecture), architecture);
  const tensors = new Map<string, StoredTensor>();
  for (const view of file.tensors.values()) {
    if (ROPE_TENSORS.has(view.name)) continue;
    const stored = describeTensor(view, architecture, config);
    tensors.set(stored.name, stored);
  }
  return {
    format: "gguf",
    path,
    config,
    tokenizerSource: { kind: "gguf", path: file.path, metadata: file.metadata },
    names: () => tensors.keys(),
    tensor: (name) => tensors.get(name),
  };
}

function describeTensor(view: GgufView, architecture: GgufArchitecture, config: Readonly<Record<string, unknown>>): StoredTensor {
  const fail = (expected: string, found: string, next: string): never => {
    throw new FileFormatError({ format: "GGUF", path: view.path, where: `tensor "${view.name}"`, expected, found, next });
  };
  const name = huggingFaceName(architecture, view.name);
  if (!name)
    return fail(`a parameter of a ${architecture} model`, "an unknown name", "This variant of the architecture is not supported yet.");
  const format = GGUF_WEIGHT_FORMATS[view.dtype];
  if (!format) {
    return fail(
      `a type of ${Object.keys(GGUF_WEIGHT_FORMATS).join(", ")}`,
      view.dtype,
      "Use a file of the model in another quantization, such as Q4_K_M or Q8_0.",
    );
  }
  const { path, byteOffset, byteLength, shape } = view;
  const storedOffset = NORMS_HOLD_ONE_MORE.has(architecture) && name.endsWith("norm.weight") ? 1 : 0;
  const stored: StoredTensor = { name, path, byteOffset, byteLength, format, shape, storedOffset };
  const heads = INTERLEAVES_HEADS.has(architecture) ? interleavedHeads(name, config) : undefined;
  if (heads === undefined) return stored;
  const headDim = config.head_dim as number;
  if (shape[0] !== heads * headDim || headDim % 2 !== 0) {
    return fail(
      `${heads} heads of ${headDim} rows (an even number)`,
      `[${shape.join(", ")}]`,
      "The file's metadata and its tensors do not agree: download it again.",
    );
  }
  return { ...stored, rowOrder: { kind: "interleaved-heads", heads, headDim } };
}

/** Heads in a q or k projection (weight or bias); undefined for other parameters. */
function interleavedHeads(name: string, config: Readonly<Record<string, unknown>>): number | undefined {
  if (/\.self_attn\.q_proj\./.test(name)) return config.num_attention_heads as number;
  if (/\.self_attn\.k_proj\./.test(name)) return config.num_key_value_heads as number;
  return undefined;
}

/** Large models come split: `model-00001-of-00003.gguf` and on; the first part holds the metadata, and any part may be named. */
function readAllParts(path: string): GgufFile {
  const named = readGguf(path);
  const count = named.metadata.get("split.count");
  if (typeof count !== "number" || count <= 1) return named;
  const fail = (expected: string, found: string, next?: string): never => {
    throw new FileFormatError({ format: "GGUF", path, where: `one of ${count} parts`, expected, found, next });
  };
  const pattern = /^(.*)-\d{5}-of-(\d{5})\.gguf$/i.exec(basename(path));
  if (!pattern || Number(pattern[2]) !== count)
    return fail(
      `a name that ends in -00001-of-${String(count).padStart(5, "0")}.gguf`,
      basename(path),
      "Give the parts their original names.",
    );
  const partPath = (i: number) => join(dirname(path), `${pattern[1]}-${String(i + 1).padStart(5, "0")}-of-${pattern[2]}.gguf`);
  const paths = Array.from({ length: count }, (_, i) => partPath(i));
  const missing = paths.filter((part) => !existsSync(part)).map((part) => basename(part));
  if (missing.length > 0)
    return fail(
      "all parts beside it",
      `${missing.length} missing: ${missing.slice(0, 3).join(", ")}`,
      "Download the missing parts into the same folder.",
    );

  const tensors = new Map<string, GgufView>();
  const parts = paths.map((part) => readGguf(part));
  for (const part of parts) {
    for (const [name, view] of part.tensors) {
      if (tensors.has(name))
        return fail(`tensor "${name}" in one part`, "it in two", "The parts belong to different files: download them again.");
      tensors.set(name, view);
    }
  }
  const expected = parts[0]!.metadata.get("split.tensors.count");
  if (typeof expected === "number" && expected !== tensors.size) return fail(`${expected} tensors in all`, `${tensors.size}`);
  return { ...parts[0]!, tensors };
}
