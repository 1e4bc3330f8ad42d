/** A run's config from what was asked and what the model, data and device are: facts in, every option filled, priced before anything loads. */
import type { Backend, WeightFormat } from "../backend/backend.ts";
import { activationDType, type ResolvedTrainConfig, type TrainFacts } from "../config/resolve-train.ts";
import { DeviceError } from "../errors/device-error.ts";
import { ShapeError } from "../errors/shape-error.ts";
import { decoderParameters } from "../models/decoder-parameters.ts";
import { findLoraSites } from "../models/lora-targets.ts";
import type { LoraSite } from "../nn/lora.ts";
import { chooseLadder, type Ladder, type LadderAsked } from "../training/memory-ladder.ts";
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

/** 8-bit tensor cores read 16 bytes at a time, along a weight's rows for one product and along its columns for the other. */
const FP8_BLOCK = 16;

/**
 * Refuses `compute: fp8` where it cannot be, and says where it is emulated.
 * @throws DeviceError when the device has no such products · ShapeError when a linear of the model does not fit them
 */
export function checkFp8(
  files: ModelFiles,
  backend: Backend,
  { compute }: Pick<ResolvedTrainConfig, "compute">,
): readonly { code: string; message: string }[] {
  if (compute !== "fp8") return [];
  const { fp8, name } = backend.device;
  if (typeof fp8 !== "string") throw new DeviceError(name, `compute fp8: ${fp8.missing}`);
  const misfit = decoderParameters(files.shape).find(
    ({ role, shape }) => role === "linear" && shape.some((size) => size % FP8_BLOCK !== 0),
  );
  if (misfit) throw new ShapeError(`compute fp8 ${misfit.path}`, `multiples of ${FP8_BLOCK}`, misfit.shape, "Use compute bf16.");
  const message = `compute fp8 is emulated on ${name}: the numbers of a card's 8-bit products, slower than bf16`;
  return fp8 === "emulated" ? [{ code: "fp8-emulated", message }] : [];
}

/** A block longer than what the model was made for is trained as asked: some do it to lengthen a model, most by mistake. */
export function checkBlockLength(
  { shape }: ModelFiles,
  { blockLength }: { readonly blockLength: number },
): readonly { code: string; message: string }[] {
  const { maxPositions } = shape;
  if (blockLength <= maxPositions) return [];
  const message = `blocks of ${blockLength} tokens on a model of ${maxPositions} positions: it has never seen later ones, and the saved config still says ${maxPositions}`;
  return [{ code: "block-beyond-positions", message }];
}

export function loraSites(files: ModelFiles, config: Pick<ResolvedTrainConfig, "method" | "lora">): LoraSite[] {
  if (config.method === "full") return [];
  const { rank, alpha, rsLora, targets } = config.lora;
  return findLoraSites(files.shape, targets, { rank, alpha, rankStabilized: rsLora });
}

/** The rungs of the memory ladder that fit, fastest first, and the plan under them. */
export function planRun(files: ModelFiles, backend: Backend, config: ResolvedTrainConfig, flops?: number): Ladder {
  const adapters = loraSites(files, config).map(({ inFeatures, outFeatures, settings }) => ({
    inFeatures,
    outFeatures,
    rank: settings.rank,
  }));
  const stored = (path: string) => files.source.tensor(path)?.format ?? "f32";
  const { recompute, decodedWeights, embedding, optimizerState, headRows = "auto" } = config;
  const asked: LadderAsked = { recompute, decodedWeights, embedding, optimizerState, headRows };
  const { choice, plan } = chooseLadder(asked, {
    model: files.name,
    shape: files.shape,
    settings: {
      method: config.method,
      base: config.base === "file" ? stored("model.layers.0.mlp.down_proj.weight") : (config.base as WeightFormat),
      embeddingFormat: stored("model.embed_tokens.weight"),
      compute: activationDType(config.compute),
      fp8: config.compute === "fp8",
      blockLength: config.blockLength,
      batchSize: config.batchSize,
      gradientAccumulation: config.gradientAccumulation,
      deterministic: config.deterministic,
      adapters,
    },
    device: {
      name: backend.device.name,
      availableBytes: backend.device.freeMemoryBytes,
      hasOwnMemory: backend.device.kind === "cuda",
      flops,
    },
    steps: config.maxSteps,
  });
  return { choice, plan: { ...plan, reasons: config.reasons } };
}
