/** What a merge starts from: adapters with their weights, the base that they were trained on, and what their run says about data and template. */
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import type { MergeConfig } from "../config/schemas/merge.ts";
import type { TrainConfig } from "../config/schemas/train.ts";
import { ConfigError } from "../errors/config-error.ts";
import { ConfigFileError } from "../errors/config-file-error.ts";
import type { WeightedAdapter } from "../export/combine-adapters.ts";
import { readAdapter } from "../models/adapter-file.ts";
import type { BaseFormat } from "../models/load-weights.ts";
import { REMORA_NOTES_FILE } from "../training/adapter-weights.ts";
import { type AdapterRun, readAdapterRun } from "./adapter-run.ts";
import { type ModelFiles, openModelFiles, storedFormat } from "./model-files.ts";

export interface MergeInputs {
  readonly files: ModelFiles;
  readonly adapters: readonly WeightedAdapter[];
  /** As the base's linears stayed in memory in training. */
  readonly trainedAs: BaseFormat;
  /** The run of the first adapter, when its config.json is there. */
  readonly run: AdapterRun | undefined;
  /** A preset's name or the template's own text. */
  readonly template: string | undefined;
}

const DOING = "Configuring remora merge";

/** @throws ConfigError, ConfigFileError, AdapterError, ModelNotFoundError */
export async function openMergeInputs(config: MergeConfig): Promise<MergeInputs> {
  const paths = config.adapter === undefined ? [] : [config.adapter].flat();
  const given = config.weights === undefined ? paths.map(() => 1) : [config.weights].flat();
  if (given.length !== paths.length) {
    throw new ConfigError(DOING, [
      { path: "weights", problem: `expected as many as there are adapters (${paths.length}), found ${given.length}` },
    ]);
  }
  if (config.format === "adapter" && paths.length === 0)
    throw new ConfigError(DOING, [{ path: "adapter", problem: "expected at least one adapter to save as an adapter, found none" }]);
  const adapters = paths.map((path, index) => ({ path, weight: given[index]! }));
  const [first] = paths;
  const run = first === undefined ? undefined : readAdapterRun(first);
  const model = config.model ?? run?.config.model ?? (first === undefined ? undefined : readAdapter(first).config.baseModel);
  if (model === undefined) {
    const next = "Name the base with --model, or an adapter with --adapter.";
    throw new ConfigError(
      DOING,
      [{ path: "model", problem: "expected the base model, found neither it nor an adapter that names one" }],
      next,
    );
  }
  const files = await openModelFiles(model, config);
  const notes = first ?? (existsSync(join(files.path, REMORA_NOTES_FILE)) ? files.path : undefined);
  const template = config.template ?? (notes === undefined ? undefined : readTemplate(notes)) ?? run?.config.template;
  const trainedOn = run?.config.model ?? (first === undefined ? undefined : readAdapter(first).config.baseModel);
  return { files, adapters, run, template, trainedAs: await trainedFormat(config, run?.config, trainedOn, files) };
}

async function trainedFormat(
  config: MergeConfig,
  run: TrainConfig | undefined,
  trainedOn: string | undefined,
  files: ModelFiles,
): Promise<BaseFormat> {
  const inRun = run?.base ?? "auto";
  const asked = config.trainedAs === "auto" ? inRun : config.trainedAs;
  const stored = storedFormat(files);
  // An adapter trained on an NF4 folder, merged into another model: most likely that folder's 16-bit original.
  const isOther = trainedOn !== undefined && trainedOn !== files.name && stored !== "nf4";
  if (config.trainedAs === "auto" && (inRun === "auto" || inRun === "file") && isOther && (await isNf4Folder(trainedOn))) return "nf4";
  if (asked === "auto" || asked === "file" || asked === stored) return "file";
  // A dense base in another dense dtype differs by rounding alone; what was trained against is the file's own values, rounded.
  return asked;
}

async function isNf4Folder(model: string): Promise<boolean> {
  try {
    return storedFormat(await openModelFiles(model, { offline: true })) === "nf4";
  } catch {
    return false;
  }
}

function readTemplate(folder: string): string | undefined {
  const path = join(folder, REMORA_NOTES_FILE);
  if (!existsSync(path)) return undefined;
  try {
    const { template } = JSON.parse(readFileSync(path, "utf8")) as { template?: unknown };
    return typeof template === "string" ? template : undefined;
  } catch (cause) {
    const next = "Mend it, or remove it and name the template with --template.";
    throw new ConfigFileError(path, `expected JSON (${(cause as Error).message})`, { next, cause });
  }
}
