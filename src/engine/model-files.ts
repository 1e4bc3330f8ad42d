/** A model's files opened but not loaded: what planning, tokenizing and loading all start from. */
import { join } from "node:path";
import type { CompanionSource } from "../export/huggingface-companions.ts";
import { readJsonObject } from "../formats/json-file.ts";
import { findSafetensors } from "../formats/safetensors-folder.ts";
import { resolveModel } from "../hub/resolve-model.ts";
import type { DecoderShape } from "../models/decoder-shape.ts";
import { readDecoderShape } from "../models/registry.ts";
import { openWeightSource, type WeightSource } from "../models/weight-source.ts";
import { checkVocabulary } from "../text/check-vocabulary.ts";
import { readGgufTokenizer } from "../text/gguf-tokenizer.ts";
import { readHfTokenizer } from "../text/hf-tokenizer.ts";
import type { Tokenizer } from "../text/tokenizer.ts";

export interface ModelFiles {
  /** As the user named it. */
  readonly name: string;
  /** Folder or GGUF file. */
  readonly path: string;
  readonly source: WeightSource;
  readonly shape: DecoderShape;
  /** Read when first asked for: planning does without. */
  readonly tokenizer: Tokenizer;
}

export async function openModelFiles(name: string, options: { offline: boolean; signal?: AbortSignal }): Promise<ModelFiles> {
  const { path } = await resolveModel(name, { offline: options.offline, env: process.env, signal: options.signal });
  const source = openWeightSource(path);
  const shape = readDecoderShape(source.config, path);
  let tokenizer: Tokenizer | undefined;
  return {
    name,
    path,
    source,
    shape,
    get tokenizer() {
      if (!tokenizer) {
        const from = source.tokenizerSource;
        tokenizer = from.kind === "gguf" ? readGgufTokenizer(from.metadata, from.path) : readHfTokenizer(from.path);
        checkVocabulary(tokenizer, shape.vocabularySize, path);
      }
      return tokenizer;
    },
  };
}

/** A model of which all weights are trained: in a folder without weights they start random. */
export interface PretrainFiles {
  readonly path: string;
  readonly shape: DecoderShape;
  readonly tokenizer: Tokenizer;
  readonly weights: WeightSource | undefined;
  readonly source: CompanionSource;
}

export async function openPretrainFiles(name: string, options: { offline: boolean }): Promise<PretrainFiles> {
  const { path, kind } = await resolveModel(name, { offline: options.offline, env: process.env });
  if (kind === "file" || findSafetensors(path) !== undefined) {
    const { source, shape, tokenizer } = await openModelFiles(path, options);
    return { path, shape, tokenizer, weights: source, source };
  }
  const config = readJsonObject(join(path, "config.json"));
  const shape = readDecoderShape(config, path);
  const tokenizer = readHfTokenizer(path);
  checkVocabulary(tokenizer, shape.vocabularySize, path);
  const source = { format: "huggingface", path, config, tokenizerSource: { kind: "folder", path } } as const;
  return { path, shape, tokenizer, weights: undefined, source };
}

/** The tokenizer of a folder, with weights or without, or of a GGUF file. */
export async function openTokenizer(name: string, options: { offline: boolean; signal?: AbortSignal }): Promise<Tokenizer> {
  const { path, kind } = await resolveModel(name, { ...options, env: process.env });
  return kind === "file" ? (await openModelFiles(path, options)).tokenizer : readHfTokenizer(path);
}

/** How the file stores its linears: the format of the first layer's down projection, for a reason a person can read. */
export function storedFormat({ source }: ModelFiles): string {
  return source.tensor("model.layers.0.mlp.down_proj.weight")?.format ?? "f32";
}
