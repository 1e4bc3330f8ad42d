/** One save, planned before it is written: how many bytes it takes, which tensors, and how each format puts them into the folder. */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { FileAccessError } from "../errors/file-access-error.ts";
import { ggufFileBytes, writeGguf } from "../formats/gguf-writer.ts";
import { splitGroups, type TensorGroup, writeSafetensorsGroups } from "../formats/safetensors-groups.ts";
import { entryBytes } from "../formats/safetensors-writer.ts";
import { writeAdapter } from "../models/adapter-file.ts";
import { ggufHyperparameters } from "../models/gguf-metadata.ts";
import type { Tokenizer } from "../text/tokenizer.ts";
import type { CombinedAdapter } from "./combine-adapters.ts";
import { generalEntries, ggufFileName, modelfile, tokenizerEntries } from "./gguf-companions.ts";
import type { GgufSaveType } from "./gguf-types.ts";
import { ggufTensors } from "./gguf-weights.ts";
import { bitsAndBytesConfig, companionBytes, writeCompanions } from "./huggingface-companions.ts";
import { denseGroups, halfDTypeOf, nf4Groups, skippedModules } from "./huggingface-weights.ts";
import type { MergedWeights } from "./merged-weights.ts";

export type SaveFormat = "16bit" | "nf4" | "adapter" | "gguf";

export interface SaveRequest {
  readonly format: SaveFormat;
  /** Of `gguf`. */
  readonly type: GgufSaveType;
  readonly weights: MergedWeights;
  readonly adapter: CombinedAdapter;
  readonly tokenizer: Tokenizer;
  /** The base as the user named it. */
  readonly model: string;
  readonly template: string | undefined;
  readonly maxShardBytes: number;
  readonly remora: string;
  /** After each tensor. */
  readonly onTensor: (name: string, done: number, total: number) => void;
}

export interface PlannedSave {
  /** Of the whole folder, near enough for a check of free space. */
  readonly bytes: number;
  /** Tensors by their type in the files. */
  readonly tensors: Record<string, number>;
  /** What is opened again: the folder, or a file in it. */
  readonly opens: string;
  write(folder: string): Promise<void>;
}

/** @throws ExportError, TokenizerError: what the format cannot hold is found before anything is written */
export function planSave(request: SaveRequest): PlannedSave {
  if (request.format === "gguf") return planGguf(request);
  return request.format === "adapter" ? planAdapter(request) : planHuggingFace(request, request.format === "nf4");
}

function planHuggingFace(request: SaveRequest, isNf4: boolean): PlannedSave {
  const { weights, tokenizer, template, maxShardBytes, onTensor } = request;
  const dtype = halfDTypeOf(weights);
  const plain = isNf4 ? nf4Groups(weights, dtype) : denseGroups(weights, dtype);
  const groups = plain.map((group, index) => watched(group, () => onTensor(group.entries[0]!.name, index + 1, plain.length)));
  const quantization = isNf4 ? bitsAndBytesConfig(dtype, skippedModules(weights)) : undefined;
  const bytes = groups.reduce((sum, { entries }) => sum + entries.reduce((total, entry) => total + entryBytes(entry), 0), 0);
  const headers = 65_536 * splitGroups(groups, maxShardBytes).length + 256 * groups.length * 6;
  return {
    bytes: bytes + headers + companionBytes(weights.source),
    tensors: countTypes(plain.map(({ entries }) => (entries.length > 1 ? "NF4" : entries[0]!.dtype))),
    opens: "",
    async write(folder) {
      await writeSafetensorsGroups(folder, groups, maxShardBytes);
      await writeCompanions(folder, weights.source, tokenizer, { dtype, quantization, template });
    },
  };
}

function watched(group: TensorGroup, onDone: () => void): TensorGroup {
  return {
    entries: group.entries,
    async *read() {
      yield* group.read();
      onDone();
    },
  };
}

function planGguf(request: SaveRequest): PlannedSave {
  const { weights, tokenizer, template, type, model, onTensor } = request;
  const { shape, source } = weights;
  const hyperparameters = ggufHyperparameters(shape, source.path);
  const fileName = ggufFileName(model, type);
  const entries = [
    ...generalEntries(hyperparameters.architecture, fileName.replace(/\.gguf$/, ""), type, template),
    ...hyperparameters.entries,
    ...tokenizerEntries(source, tokenizer, shape.vocabularySize),
  ];
  const plain = ggufTensors(weights, hyperparameters, type);
  const tensors = plain.map((tensor, index) => ({
    ...tensor,
    async *read() {
      yield* tensor.read();
      onTensor(tensor.name, index + 1, plain.length);
    },
  }));
  return {
    bytes: ggufFileBytes(entries, plain) + 65_536,
    tensors: countTypes(plain.map((tensor) => tensor.type)),
    opens: fileName,
    async write(folder) {
      await writeGguf(join(folder, fileName), entries, tensors);
      writeSmall(join(folder, "Modelfile"), modelfile(fileName, tokenizer, template, shape.maxPositions));
    },
  };
}

function planAdapter(request: SaveRequest): PlannedSave {
  const { adapter, template, model, onTensor } = request;
  const { parts, useRslora, dropout } = adapter;
  return {
    bytes: parts.reduce((sum, { a, b }) => sum + a.byteLength + b.byteLength, 0) + 512 * parts.length + 65_536,
    tensors: { F32: 2 * parts.length },
    opens: "",
    async write(folder) {
      await writeAdapter(folder, { parts, useRslora, dropout, baseModel: adapter.baseModel ?? model });
      if (template !== undefined) writeSmall(join(folder, "remora.json"), `${JSON.stringify({ template }, null, 2)}\n`);
      onTensor("adapter_model.safetensors", 2 * parts.length, 2 * parts.length);
    },
  };
}

function writeSmall(path: string, text: string): void {
  try {
    writeFileSync(path, text);
  } catch (cause) {
    throw new FileAccessError("Writing", path, cause);
  }
}

function countTypes(types: readonly string[]): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const type of types) counts[type] = (counts[type] ?? 0) + 1;
  return counts;
}

/** Bytes of the largest matrix in 16 bits: what peak memory is measured against. */
export function largestTensorBytes(weights: MergedWeights): number {
  return Math.max(...weights.parameters.map(({ shape }) => 2 * shape.reduce((product, size) => product * size, 1)));
}
