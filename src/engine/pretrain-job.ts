/**
 * `pretrain` from config to model, in the worker: token files opened and checked against the tokenizer, the config filled, the run priced,
 * weights made or loaded, trained. Nothing is written before all that can be wrong with the input was looked at.
 */
import { createHash } from "node:crypto";
import type { DeviceDescription } from "../backend/backend.ts";
import { openBackend } from "../backend/open-backend.ts";
import { parseConfig } from "../config/parse.ts";
import type { MemoryPlan } from "../config/reports.ts";
import { type PretrainConfig, type PretrainConfigInput, pretrainSchema } from "../config/schemas/pretrain.ts";
import { heldOutBatches, TokenMixture } from "../data/token-mixture.ts";
import { PlanError } from "../errors/plan-error.ts";
import type { DecoderShape } from "../models/decoder-shape.ts";
import type { WeightSource } from "../models/weight-source.ts";
import { Arena } from "../tensor/arena.ts";
import type { RecomputePolicy } from "../tensor/tape.ts";
import type { Tokenizer } from "../text/tokenizer.ts";
import type { RunEndEvent } from "../training/events.ts";
import { type FullModel, initializeWeights, loadFullWeights, makeFullModel } from "../training/full-weights.ts";
import { type PlanDevice, parameterCount, planMemory } from "../training/memory-plan.ts";
import { Pretrainer, type PretrainSettings } from "../training/pretrainer.ts";
import { RunFolder } from "../training/run-folder.ts";
import { fullSaves } from "./full-saves.ts";
import { isCancelled, type JobHost, resetCancel } from "./job.ts";
import { openPretrainFiles } from "./model-files.ts";
import { TokenFiles } from "./token-files.ts";

const GPU_TOKENS = 65_536;
const CPU_TOKENS = 2048;
const MAX_BLOCK = 2048;
/** A run by minutes alone: its steps are counted by the clock. */
const UNLIMITED_STEPS = 10_000_000;
/** The cosine ends at this part of its peak. */
const FLOOR = 20;

export async function pretrainJob(input: PretrainConfigInput, host: JobHost): Promise<RunEndEvent> {
  const config = parseConfig(pretrainSchema, input, "Configuring remora pretrain");
  const folder = new RunFolder(config.out);
  const checkpoint = folder.inspect(config);
  const { shape, tokenizer, weights, source } = await openPretrainFiles(config.model, config);
  const saves = fullSaves(source, tokenizer);
  using files = new TokenFiles(config, tokenizer);
  const backend = await openBackend(config.device, { threads: config.threads, cancelFlag: host.cancelFlag });
  try {
    const { kind, name, freeMemoryBytes } = backend.device;
    const filled = fill(config, shape, backend.device, files.tokens);
    const { blockLength, batchSize, compute, maxSteps } = filled;
    const stepTokens = blockLength * batchSize * config.gradientAccumulation;
    const device = { name, availableBytes: freeMemoryBytes, hasOwnMemory: kind === "cuda" };
    const { plan, recompute } = price(shape, filled, device);
    if (!plan.fits && !config.force) throw new PlanError(plan);

    const arena = new Arena(backend);
    const full = await makeFullModel(arena, shape, compute, { decayEmbedding: false });
    if (checkpoint === undefined) fillWeights(arena, full, weights, config.seed);
    full.model.prepare(blockLength);
    await folder.begin({ ...filled, recompute, plan: plan.items }, Date.now() / 1000, checkpoint !== undefined);
    const pretrainer = new Pretrainer(
      {
        model: full.model,
        trainables: full.trainables,
        ...saves(full),
        source: new TokenMixture(files.training, { blockLength, batchSize, seed: config.seed }),
        heldOut: files.heldOut.map((file, index) => ({
          name: Object.keys(config.heldOut!)[index]!,
          batches: () => heldOutBatches(file, { blockLength, batchSize }),
        })),
        tokenBytes: tokenBytes(tokenizer),
        folder,
        runStart: {
          model: config.model,
          method: "full",
          device: name,
          epochs: config.maxMinutes === undefined ? (maxSteps * stepTokens) / files.tokens : 0,
          maxMinutes: config.maxMinutes,
          rows: files.training.reduce((sum, { facts }) => sum + facts.documents, 0),
          validationRows: files.heldOut.reduce((sum, { facts }) => sum + facts.documents, 0),
          trainableParameters: full.trainables.layout.count,
          totalParameters: parameterCount(shape),
          plannedBytes: plan.totalBytes,
          out: config.out,
        },
        emit: (event) => host.emit(event),
        isCancelled: () => isCancelled(host),
        resetCancel: () => resetCancel(host),
        now: () => performance.timeOrigin + performance.now(),
      },
      pretrainSettings(filled, files, recompute),
    );
    return await pretrainer.run(checkpoint);
  } finally {
    backend.dispose();
  }
}

/** Every open option filled. @param tokens of all training files */
function fill(config: PretrainConfig, shape: DecoderShape, { kind, activationDTypes }: DeviceDescription, tokens: number): Filled {
  const { gradientAccumulation, maxMinutes } = config;
  const blockLength = config.blockLength ?? Math.min(MAX_BLOCK, shape.maxPositions);
  const aim = kind === "cuda" ? GPU_TOKENS : CPU_TOKENS;
  const batchSize = config.batchSize ?? Math.max(1, Math.floor(aim / (blockLength * gradientAccumulation)));
  const compute = config.compute === "auto" ? (activationDTypes[0] ?? "f32") : config.compute;
  const onePass = Math.max(1, Math.ceil(tokens / (blockLength * batchSize * gradientAccumulation)));
  const maxSteps = config.maxSteps ?? (maxMinutes === undefined ? onePass : UNLIMITED_STEPS);
  return { ...config, blockLength, batchSize, compute, maxSteps };
}

/** Builders take flat values, never the config. */
function pretrainSettings(config: Filled, files: TokenFiles, policy: RecomputePolicy): PretrainSettings {
  const { beta1, beta2, epsilon, weightDecay, optimizerState, learningRate } = config;
  return {
    tokensPerPass: config.blockLength * config.batchSize,
    passes: config.gradientAccumulation,
    policy,
    maxGradNorm: config.maxGradNorm,
    optimizer: { beta1, beta2, epsilon, weightDecay, state: optimizerState },
    dropout: { probability: 0, seed: config.seed },
    maxSteps: config.maxSteps,
    maxMinutes: config.maxMinutes,
    peak: learningRate,
    floor: config.minLearningRate ?? learningRate / FLOOR,
    warmupSteps: config.warmupSteps,
    mix: files.weights(config.mix),
    finalMix: files.weights(config.finalMix ?? config.mix),
    finalShare: config.finalShare,
    evalEvery: config.evalEvery,
    checkpointEveryMinutes: config.checkpointEvery.minutes,
    keepCheckpoints: config.keepCheckpoints,
    logEvery: config.logEvery,
    fingerprint: fingerprint(config, files),
  };
}

function fillWeights(arena: Arena, full: FullModel, weights: WeightSource | undefined, seed: number): void {
  if (weights === undefined) initializeWeights(arena, full, seed);
  else loadFullWeights(arena, full, weights);
}

type Filled = PretrainConfig & { blockLength: number; batchSize: number; compute: "bf16" | "f16" | "f32"; maxSteps: number };

/** The mildest recompute policy that fits. */
function price(shape: DecoderShape, config: Filled, device: PlanDevice): { plan: MemoryPlan; recompute: RecomputePolicy } {
  const { blockLength, batchSize, gradientAccumulation, optimizerState, compute, maxSteps } = config;
  const base = { method: "full", base: "f32", embeddingFormat: "f32", adapters: [] } as const;
  const settings = { ...base, blockLength, batchSize, gradientAccumulation, optimizerState, compute };
  const policies: RecomputePolicy[] = config.recompute === "auto" ? ["none", "cheap", "layers"] : [config.recompute];
  for (const recompute of policies) {
    const plan = planMemory(config.model, shape, { ...settings, recompute }, device, maxSteps);
    if (plan.fits || recompute === policies.at(-1)) return { plan, recompute };
  }
  throw new Error("unreachable: there is always a last policy");
}

/** UTF-8 bytes of each id; special ones stand for no text. */
function tokenBytes(tokenizer: Tokenizer): Uint16Array {
  return Uint16Array.from({ length: tokenizer.vocabularySize }, (_, id) => (tokenizer.isSpecial(id) ? 0 : tokenizer.bytesOf(id).length));
}

/** What a resume must share with the run it goes on from: model, data, and every setting that changes the numbers. */
function fingerprint(config: Filled, files: TokenFiles): string {
  const { out, heldOut, evalEvery, checkpointEvery, keepCheckpoints, logEvery, device, threads, offline, resume, force, ...rest } = config;
  const { maxMinutes, ...settings } = rest;
  const facts = files.training.map(({ facts: each }) => each);
  // A run by minutes may be given more of them.
  return createHash("sha256")
    .update(JSON.stringify([settings, maxMinutes === undefined, facts]))
    .digest("hex")
    .slice(0, 32);
}
