/**
 * Adapters in Python PEFT's layout: `adapter_config.json` and `adapter_model.safetensors`, read and written.
 *
 * Keys in the weights file are `base_model.model.<module path>.lora_A.weight` ([R, In]) and `.lora_B.weight` ([Out, R]); the module path is the
 * base model's own (`model.layers.0.self_attn.q_proj`). Reading gives views, not values.
 */
import { existsSync } from "node:fs";
import { join } from "node:path";
import { AdapterError } from "../errors/adapter-error.ts";
import { ShapeError } from "../errors/shape-error.ts";
import { writeFileAtomically } from "../formats/atomic-file.ts";
import { readJsonObject } from "../formats/json-file.ts";
import { makeFolder } from "../formats/make-folder.ts";
import { readSafetensors, type SafetensorsView } from "../formats/safetensors-reader.ts";
import { type TensorEntry, writeSafetensors } from "../formats/safetensors-writer.ts";
import { f32ToBf16, f32ToF16 } from "../quant/half-floats.ts";
import { type AdapterConfig, formatAdapterConfig, matchPattern, parseAdapterConfig } from "./adapter-config.ts";

const ADAPTER_CONFIG_FILE = "adapter_config.json";
const ADAPTER_WEIGHTS_FILE = "adapter_model.safetensors";
const PREFIX = "base_model.model.";
const KEY = /^base_model\.model\.(.+)\.lora_([AB])(?:\.default)?\.weight$/;
const DTYPES = ["F32", "F16", "BF16"];

/** One adapted linear as it stands in the file. */
export interface StoredAdapterPart {
  /** Module path in the base model: `model.layers.0.self_attn.q_proj`. */
  readonly path: string;
  /** [R, In] */
  readonly a: SafetensorsView;
  /** [Out, R] */
  readonly b: SafetensorsView;
  readonly rank: number;
  /** alpha / R, or alpha / sqrt(R) with rsLoRA. */
  readonly scale: number;
}

export interface StoredAdapter {
  readonly config: AdapterConfig;
  /** In the order of their paths, layers by number. */
  readonly parts: readonly StoredAdapterPart[];
}

/** @throws AdapterError for what remora does not compute or what does not fit together · FileFormatError · FileAccessError */
export function readAdapter(folder: string): StoredAdapter {
  const config = parseAdapterConfig(readJsonObject(join(folder, ADAPTER_CONFIG_FILE)), folder);
  const weightsPath = join(folder, ADAPTER_WEIGHTS_FILE);
  if (!existsSync(weightsPath)) {
    const pickled = existsSync(join(folder, "adapter_model.bin"));
    throw new AdapterError(
      folder,
      `expected ${ADAPTER_WEIGHTS_FILE}, found ${pickled ? "adapter_model.bin" : "no weights"}`,
      pickled
        ? "Pickled files can run code and are not read: save the adapter as safetensors."
        : "Copy the adapter's weights into the folder.",
    );
  }
  return { config, parts: pairUp(readSafetensors(weightsPath).tensors, config, folder) };
}

function pairUp(tensors: ReadonlyMap<string, SafetensorsView>, config: AdapterConfig, folder: string): StoredAdapterPart[] {
  const found = new Map<string, { A?: SafetensorsView; B?: SafetensorsView }>();
  for (const view of tensors.values()) {
    const key = KEY.exec(view.name);
    if (!key)
      throw new AdapterError(
        folder,
        `expected only lora_A and lora_B of linears, found the tensor "${view.name}"`,
        unknownKeyHint(view.name),
      );
    if (!DTYPES.includes(view.dtype)) throw new AdapterError(folder, `"${view.name}": expected ${DTYPES.join(", ")}, found ${view.dtype}`);
    const pair = found.get(key[1]!) ?? {};
    pair[key[2] as "A" | "B"] = view;
    found.set(key[1]!, pair);
  }
  if (found.size === 0) throw new AdapterError(folder, "expected at least one adapted linear, found none");
  return [...found]
    .map(([path, pair]) => describePart(path, pair, config, folder))
    .sort((x, y) => x.path.localeCompare(y.path, "en", { numeric: true }));
}

function describePart(
  path: string,
  pair: { A?: SafetensorsView; B?: SafetensorsView },
  config: AdapterConfig,
  folder: string,
): StoredAdapterPart {
  const { A: a, B: b } = pair;
  if (!a || !b) throw new AdapterError(folder, `${path}: expected lora_A and lora_B, found ${a ? "lora_A" : "lora_B"} only`);
  const rank = matchPattern(config.rankPattern, path, config.rank);
  const alpha = matchPattern(config.alphaPattern, path, config.alpha);
  if (a.shape.length !== 2 || b.shape.length !== 2 || a.shape[0] !== rank || b.shape[1] !== rank) {
    const shapes = `[${a.shape.join(", ")}] and [${b.shape.join(", ")}]`;
    throw new AdapterError(
      folder,
      `${path}: expected lora_A [${rank}, In] and lora_B [Out, ${rank}], found ${shapes}`,
      "The config and the weights belong to different adapters, or the rank is wrong.",
    );
  }
  return { path, a, b, rank, scale: alpha / (config.useRslora ? Math.sqrt(rank) : rank) };
}

function unknownKeyHint(name: string): string {
  if (name.includes("lora_magnitude")) return "DoRA is not supported: merge the adapter into its base with the tool that made it.";
  if (name.includes("lora_embedding")) return "Adapters on embeddings are not supported.";
  return "The adapter holds more than LoRA on linears: merge it into its base with the tool that made it.";
}

/** One adapted linear to be written. */
export interface AdapterPart {
  readonly path: string;
  /** f32 [rank, In] */
  readonly a: Float32Array;
  /** f32 [Out, rank] */
  readonly b: Float32Array;
  readonly rank: number;
  /** Not the scale: PEFT derives that from alpha and rank. */
  readonly alpha: number;
}

export interface AdapterToWrite {
  readonly parts: readonly AdapterPart[];
  readonly useRslora: boolean;
  /** Of training, kept for whoever trains on. */
  readonly dropout: number;
  /** As PEFT should find it: a Hub name or a path. */
  readonly baseModel?: string;
  readonly revision?: string;
  /** @default "F32" */
  readonly dtype?: "F32" | "F16" | "BF16";
}

/**
 * Writes both files; the weights first, so that a folder with a config is complete.
 * @throws FileAccessError · ShapeError for parts that are not matrices of their rank
 */
export async function writeAdapter(folder: string, adapter: AdapterToWrite): Promise<void> {
  makeFolder(folder, "Writing");
  const entries = adapter.parts.flatMap((part) => partEntries(part, adapter.dtype ?? "F32"));
  await writeSafetensors(join(folder, ADAPTER_WEIGHTS_FILE), entries);
  const config = formatAdapterConfig(describeAdapter(adapter));
  await writeFileAtomically(join(folder, ADAPTER_CONFIG_FILE), `${JSON.stringify(config, null, 2)}\n`);
}

function partEntries(part: AdapterPart, dtype: "F32" | "F16" | "BF16"): TensorEntry[] {
  const entry = (letter: "A" | "B", shape: number[], values: Float32Array): TensorEntry => ({
    name: `${PREFIX}${part.path}.lora_${letter}.weight`,
    dtype,
    shape,
    read: () => toBytes(dtype === "F32" ? values : dtype === "F16" ? f32ToF16(values) : f32ToBf16(values)),
  });
  const columns = part.a.length / part.rank;
  const rows = part.b.length / part.rank;
  if (!Number.isInteger(columns) || !Number.isInteger(rows)) {
    throw new ShapeError(
      `Writing the adapter of ${part.path}`,
      `multiples of the rank ${part.rank}`,
      `${part.a.length} and ${part.b.length} values`,
    );
  }
  return [entry("A", [part.rank, columns], part.a), entry("B", [rows, part.rank], part.b)];
}

const toBytes = (array: Float32Array | Uint16Array): Uint8Array => new Uint8Array(array.buffer, array.byteOffset, array.byteLength);

/** The config that gives every part its rank and alpha: the commonest become the defaults, the others patterns. */
export function describeAdapter(adapter: AdapterToWrite): AdapterConfig {
  const rank = commonest(adapter.parts.map((part) => part.rank));
  const alpha = commonest(adapter.parts.map((part) => part.alpha));
  const patternOf = (field: "rank" | "alpha", usual: number) =>
    Object.fromEntries(adapter.parts.filter((part) => part[field] !== usual).map((part) => [escapePattern(part.path), part[field]]));
  return {
    rank,
    alpha,
    useRslora: adapter.useRslora,
    dropout: adapter.dropout,
    rankPattern: patternOf("rank", rank),
    alphaPattern: patternOf("alpha", alpha),
    targetModules: targetModules(adapter.parts.map((part) => part.path)),
    baseModel: adapter.baseModel,
    revision: adapter.revision,
  };
}

/**
 * Short names (`q_proj`) when every one of them is adapted in the same set of layers, which is the usual case and what people expect to read; else
 * whole paths, so that PEFT does not make adapters where there are none.
 */
function targetModules(paths: readonly string[]): string[] {
  const layersOf = new Map<string, string[]>();
  for (const path of paths) {
    const cut = path.lastIndexOf(".") + 1;
    const name = path.slice(cut);
    const layer = /\.(\d+)\./.exec(path)?.[1] ?? "";
    layersOf.set(name, [...(layersOf.get(name) ?? []), layer]);
  }
  const sets = [...layersOf.values()].map((layers) => layers.sort().join());
  // Layers 0 … n−1 without a hole: the file cannot know how many the model has, but a chosen few rarely look like this.
  const layers = [...new Set(layersOf.values().next().value ?? [])].map(Number).sort((a, b) => a - b);
  const uniform = sets.every((set) => set === sets[0]) && layers.every((layer, i) => layer === i);
  return uniform ? [...layersOf.keys()].sort() : [...paths].sort();
}

const escapePattern = (path: string): string => path.replace(/[.*+?^${}()|[\]\\]/g, "\\$&");

function commonest(values: readonly number[]): number {
  const counts = new Map<number, number>();
  for (const value of values) counts.set(value, (counts.get(value) ?? 0) + 1);
  return [...counts].sort((a, b) => b[1] - a[1] || a[0] - b[0])[0]?.[0] ?? 1;
}
