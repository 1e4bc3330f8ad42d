/** A run's data: rows read, tokenized and split, then laid out as an endless stream of batches with a position that can be stored. */
import { createHash } from "node:crypto";
import {
  chooseTemplate,
  deriveBlockLength,
  type ResolvedTrainConfig,
  resolveTrainConfig,
  type TrainFacts,
} from "../config/resolve-train.ts";
import type { TrainConfig } from "../config/schemas/train.ts";
import type { Batch } from "../data/batch.ts";
import { type LoadedData, loadData, readTemplateRows } from "../data/load-data.ts";
import { BatchLoader, type Cursor } from "../data/loader.ts";
import { PackedRows } from "../data/pack.ts";
import { TextBlocks } from "../data/text-blocks.ts";
import { CancelledError } from "../errors/cancelled-error.ts";
import { counted } from "../errors/counted.ts";
import { resolveData } from "../hub/resolve-data.ts";
import { loadTemplate } from "../text/templates/load-template.ts";
import type { BatchSource } from "../training/trainer.ts";
import { isCancelled, type JobHost } from "./job.ts";
import type { ModelFiles } from "./model-files.ts";

export interface RunData extends Disposable {
  readonly loaded: LoadedData;
  readonly facts: NonNullable<TrainFacts["data"]>;
  readonly warnings: readonly { code: string; message: string }[];
}

/** Reads and tokenizes everything once. @throws DataError, TemplateError, TokenizerError */
export async function readRunData(config: TrainConfig, files: ModelFiles, facts: TrainFacts, host: JobHost): Promise<RunData> {
  const hub = { offline: config.offline, env: process.env };
  const paths = await resolveData([config.data].flat(), hub);
  const { tokenizer, shape } = files;
  const fields = await firstFields(paths, config);
  const [templateName] = config.template ? [config.template] : chooseTemplate(config, fields, tokenizer.chatTemplate !== undefined);
  const pretrain = config.objective === "pretrain";
  // The final block may be shorter, when no row needs so much; a row that fits here fits there.
  const blockLength = config.blockLength ?? deriveBlockLength(shape.maxPositions, undefined)[0];
  const abort = new AbortController();
  const loaded = await loadData({
    ...config,
    files: paths,
    tokenizer,
    template: pretrain ? undefined : loadTemplate(templateName, tokenizer),
    objective: pretrain ? "pretrain" : "respond",
    blockLength,
    heldOut: (rows) => resolveTrainConfig(config, { ...facts, data: { rows, fields } }).validation,
    heldOutFiles: config.validation.path === undefined ? undefined : await resolveData([config.validation.path], hub),
    onProgress: () => {
      if (isCancelled(host)) abort.abort(new CancelledError("Reading the data"));
    },
    signal: abort.signal,
  });
  const { store, counts } = loaded;
  let longestRow = 0;
  for (let index = 0; index < store.count; index++) longestRow = Math.max(longestRow, store.length(index));
  return {
    loaded,
    facts: { rows: counts.rows, fields, longestRow: pretrain ? undefined : longestRow, tokens: store.tokenCount },
    warnings: dataWarnings(loaded, blockLength),
    [Symbol.dispose]: () => loaded[Symbol.dispose](),
  };
}

/** The template's fields that the first row has. */
async function firstFields(paths: readonly string[], config: TrainConfig): Promise<string[]> {
  for await (const { map } of readTemplateRows(paths, config)) return [...map.columns.keys(), ...map.constants.keys()];
  return [];
}

function dataWarnings({ counts }: LoadedData, blockLength: number): { code: string; message: string }[] {
  const warnings: { code: string; message: string }[] = [];
  const add = (code: string, count: number, one: string, several: string) => {
    if (count > 0) warnings.push({ code, message: `${count} of ${counted(counts.rows, "row")} ${count === 1 ? one : several}` });
  };
  const long = `longer than the block of ${blockLength} tokens`;
  add("rows-truncated", counts.truncated, `is ${long}: its end was cut`, `are ${long}: their ends were cut`);
  add("rows-too-long", counts.tooLong, `is ${long} and was left out`, `are ${long} and were left out`);
  const cut = "left out: the cut would have left no response";
  add("responses-cut", counts.responseCut, `was ${cut}`, `were ${cut}`);
  add("rows-duplicate", counts.duplicates, "repeats an earlier row", "repeat an earlier row");
  return warnings;
}

export interface RunBatches {
  readonly source: BatchSource;
  readonly validation?: () => Iterable<Batch>;
}

export function makeBatches({ store, split }: LoadedData, config: ResolvedTrainConfig, padding: number): RunBatches {
  const blocks = (examples: Int32Array, shuffle: boolean) =>
    config.objective === "pretrain"
      ? new TextBlocks(store, examples, { blockLength: config.blockLength, seed: config.seed, shuffle })
      : new PackedRows(store, examples, { blockLength: config.blockLength, seed: config.seed, packing: config.packing, shuffle });
  const loader = (examples: Int32Array, shuffle: boolean) =>
    new BatchLoader(blocks(examples, shuffle), { batchSize: config.batchSize, padding });
  const training = loader(split.training, config.shuffle);
  const validation = split.heldOut.length > 0 ? loader(split.heldOut, false) : undefined;
  return {
    source: {
      next: () => training.next(),
      cursor: () => training.cursor(),
      seek: (cursor) => training.seek(cursor as Cursor),
      get epoch() {
        const { epoch, index } = training.cursor();
        return epoch + index / Math.max(1, training.batchesInEpoch(epoch));
      },
    },
    validation: validation && validation.batchesInEpoch(0) > 0 ? () => validation.epoch(0) : undefined,
  };
}

/** What a resume must share with the run it goes on from: model, data, and every setting that changes the numbers. */
export function fingerprint(config: ResolvedTrainConfig, { store, split }: LoadedData): string {
  const { model, method, objective, lora, base, compute, blockLength, batchSize, gradientAccumulation, packing, shuffle, seed } = config;
  const { optimizerState, learningRate, schedule, warmupSteps, maxSteps, weightDecay, beta1, beta2, epsilon, maxGradNorm, template } =
    config;
  const settings = [model, method, objective, lora, base, compute, blockLength, batchSize, gradientAccumulation, packing, shuffle, seed];
  const optimizer = [
    optimizerState,
    learningRate,
    schedule,
    warmupSteps,
    maxSteps,
    weightDecay,
    beta1,
    beta2,
    epsilon,
    maxGradNorm,
    template,
  ];
  const hash = createHash("sha256").update(JSON.stringify([settings, optimizer, split.training.length, split.heldOut.length]));
  for (let index = 0; index < store.count; index++) hash.update(store.get(index).ids);
  return hash.digest("hex").slice(0, 32);
}
