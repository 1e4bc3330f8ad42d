/** A run's model, loaded and ready to train: with adapters over a frozen base, or with all weights in one buffer. */
import type { Backend } from "../backend/backend.ts";
import { activationDType, type ResolvedTrainConfig } from "../config/resolve-train.ts";
import { publicModelName } from "../hub/model-reference.ts";
import type { CausalLM } from "../models/causal-lm.ts";
import { loadModel } from "../models/load-model.ts";
import { Arena } from "../tensor/arena.ts";
import { adapterWeights } from "../training/adapter-weights.ts";
import type { TrainedWeights } from "../training/checkpoint.ts";
import { loadFullWeights, makeFullModel } from "../training/full-weights.ts";
import type { LadderChoice } from "../training/memory-ladder.ts";
import { loraTrainables, type Trainables } from "../training/trainables.ts";
import { fullSaves } from "./full-saves.ts";
import { isCancelled, type JobHost } from "./job.ts";
import type { ModelFiles } from "./model-files.ts";
import { loraSites } from "./train-config.ts";

export interface RunModel {
  readonly model: CausalLM;
  readonly trainables: Trainables;
  /** As checkpoints hold them. */
  readonly weights: TrainedWeights;
  /** As the run's result holds them. */
  readonly result: TrainedWeights;
}

export async function prepareModel(
  files: ModelFiles,
  backend: Backend,
  config: ResolvedTrainConfig & Pick<LadderChoice, "embedding">,
  template: string,
  host: JobHost,
): Promise<RunModel> {
  const arena = new Arena(backend);
  if (config.method === "full") return prepareFull(files, arena, config);
  const model = await loadModel(arena, files.source, {
    base: config.base,
    compute: activationDType(config.compute),
    fp8: config.compute === "fp8",
    embedding: config.embedding,
    isCancelled: () => isCancelled(host),
  });
  const store = model.attachLora(loraSites(files, config), { trainable: true });
  store.initialize(arena, config.seed);
  const weights = adapterWeights(model, { baseModel: publicModelName(config.model), template, dropout: config.lora.dropout });
  return { model, trainables: loraTrainables(model), weights, result: weights };
}

async function prepareFull(files: ModelFiles, arena: Arena, config: ResolvedTrainConfig): Promise<RunModel> {
  const saves = fullSaves(files.source, files.tokenizer);
  const full = await makeFullModel(arena, files.shape, activationDType(config.compute));
  loadFullWeights(arena, full, files.source);
  return { model: full.model, trainables: full.trainables, ...saves(full) };
}
