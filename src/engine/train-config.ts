/** A run's config from what was asked and what the model, data and device are: facts in, every option filled, priced before anything loads. */
import type { Backend, WeightFormat } from "../backend/backend.ts";
import type { MemoryPlan } from "../config/reports.ts";
import type { ResolvedTrainConfig, TrainFacts } from "../config/resolve-train.ts";
import { findLoraSites } from "../models/lora-targets.ts";
import type { LoraSite } from "../nn/lora.ts";
import type { RecomputePolicy } from "../tensor/tape.ts";
import { type PlanSettings, planMemory } from "../training/memory-plan.ts";
import { type ModelFiles, storedFormat } from "./model-files.ts";

export function trainFacts(files: ModelFiles, backend: Backend, data?: TrainFacts["data"], hasChatTemplate = false): TrainFacts {
  const { kind, name, architecture, threads, activationDTypes } = backend.device;
  const storedAs = storedFormat(files);
  return {
    device: { kind, name, architecture, threads, activationDTypes },
    model: {
      maxPositions: files.shape.maxPositions,
      storedAs,
      quantized: !["f32", "bf16", "f16"].includes(storedAs),
      hasChatTemplate,
    },
    data,
  };
}

export function loraSites(files: ModelFiles, config: Pick<ResolvedTrainConfig, "method" | "lora">): LoraSite[] {
  if (config.method === "full") return [];
  const { rank, alpha, rsLora, targets } = config.lora;
  return findLoraSites(files.shape, targets, { rank, alpha, rankStabilized: rsLora });
}

/** The recompute policy that fits, mildest first, and the plan under it. */
export function planRun(
  files: ModelFiles,
  backend: Backend,
  config: ResolvedTrainConfig,
  flops?: number,
): { plan: MemoryPlan; recompute: RecomputePolicy } {
  const adapters = loraSites(files, config).map(({ inFeatures, outFeatures, settings }) => ({
    inFeatures,
    outFeatures,
    rank: settings.rank,
  }));
  const stored = (path: string) => files.source.tensor(path)?.format ?? "f32";
  const settings: Omit<PlanSettings, "recompute"> = {
    method: config.method,
    base: config.base === "file" ? stored("model.layers.0.mlp.down_proj.weight") : (config.base as WeightFormat),
    embeddingFormat: stored("model.embed_tokens.weight"),
    compute: config.compute,
    blockLength: config.blockLength,
    batchSize: config.batchSize,
    gradientAccumulation: config.gradientAccumulation,
    optimizerState: config.optimizerState,
    adapters,
  };
  const hasOwnMemory = backend.device.kind === "cuda";
  const device = { name: backend.device.name, availableBytes: backend.device.freeMemoryBytes, hasOwnMemory, flops };
  const price = (recompute: RecomputePolicy) => planMemory(files.name, files.shape, { ...settings, recompute }, device, config.maxSteps);
  // `cheap` first: making norms and gates again costs a few percent of the time and saves a fifth of the activations.
  const policies: RecomputePolicy[] = config.recompute === "auto" ? ["cheap", "layers"] : [config.recompute];
  let best = { plan: price(policies[0]!), recompute: policies[0]! };
  for (const recompute of policies.slice(1)) if (!best.plan.fits) best = { plan: price(recompute), recompute };
  return { ...best, plan: { ...best.plan, reasons: config.reasons } };
}
