/** Is this folder a model, and which of its files? Looks at names (and the shard index) only; the files are read by the model loader. */
import { existsSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { counted } from "../errors/counted.ts";
import { readJsonObject } from "../formats/json-file.ts";

export type ModelFolder =
  | { readonly kind: "folder"; readonly path: string }
  | { readonly kind: "file"; readonly path: string }
  | {
      readonly kind: "problem";
      readonly problem: string;
      readonly next: string;
      /** Nothing of a model is there at all. */
      readonly isEmpty?: boolean;
    };

export function inspectModelFolder(path: string): ModelFolder {
  if (existsSync(join(path, "config.json"))) return { kind: "folder", path };
  if (existsSync(join(path, "adapter_config.json"))) {
    return {
      kind: "problem",
      problem: `${path} holds an adapter, not a model`,
      next: "Name its base model as the model and this folder as the adapter (--adapter).",
    };
  }
  // Of a split file only the first part counts; the loader finds the others.
  const files = readdirSync(path)
    .filter((name) => name.endsWith(".gguf") && !/-(?!00001)\d{5}-of-\d{5}\.gguf$/.test(name))
    .sort();
  if (files.length === 1) return { kind: "file", path: join(path, files[0]!) };
  if (files.length > 1) {
    return {
      kind: "problem",
      problem: `${path} holds ${files.length} GGUF files`,
      next: `Name one of them: ${files.slice(0, 8).join(", ")}${files.length > 8 ? " …" : ""}`,
    };
  }
  return {
    kind: "problem",
    problem: `${path} has neither config.json nor a .gguf file`,
    next: "Name the folder that holds the model's config.json.",
    isEmpty: true,
  };
}

/** What weights a model folder lacks, in words, or nothing when all are there. Looks at names only. */
export function missingWeights(path: string): string | undefined {
  const index = join(path, "model.safetensors.index.json");
  if (!existsSync(index)) return existsSync(join(path, "model.safetensors")) ? undefined : `${path} has no model.safetensors`;
  const shards = new Set(Object.values((readJsonObject(index).weight_map ?? {}) as Record<string, unknown>).map(String));
  const missing = [...shards].filter((shard) => !existsSync(join(path, shard)));
  return missing.length > 0 ? `${path} lacks ${missing.length} of ${counted(shards.size, "shard")}` : undefined;
}
