/**
 * `train` from config to adapter, in the worker: open the files, read the data, fill the config, price it, load, train.
 * Everything that can be wrong with the input is found before weights are loaded; nothing is written before that.
 */
import { existsSync, readFileSync } from "node:fs";
import { openBackend } from "../backend/open-backend.ts";
import { parseConfig } from "../config/parse.ts";
import type { MemoryPlan } from "../config/reports.ts";
import { type ResolvedTrainConfig, resolveTrainConfig } from "../config/resolve-train.ts";
import { type TrainConfig, type TrainConfigInput, trainSchema } from "../config/schemas/train.ts";
import { OutOfMemoryError, withPlan } from "../errors/out-of-memory-error.ts";
import { PlanError } from "../errors/plan-error.ts";
import type { RunEndEvent, TrainEvent } from "../training/events.ts";
import { F16_LOSS_SCALING } from "../training/loss-scaling.ts";
import type { LadderChoice } from "../training/memory-ladder.ts";
import { parameterCount } from "../training/memory-plan.ts";
import { RunFolder } from "../training/run-folder.ts";
import { Trainer, type TrainerSettings } from "../training/trainer.ts";
import { isCancelled, type JobHost, resetCancel } from "./job.ts";
import { openModelFiles } from "./model-files.ts";
import { fingerprint, makeBatches, readRunData } from "./run-data.ts";
import { prepareModel } from "./run-model.ts";
import { sampler } from "./sample-answer.ts";
import { checkBlockLength, checkFp8, planRun, trainFacts } from "./train-config.ts";

export async function trainJob(input: TrainConfigInput, host: JobHost): Promise<RunEndEvent> {
  const wanted = parseConfig(trainSchema, input, "Configuring remora train");
  const folder = new RunFolder(wanted.out);
  const checkpoint = folder.inspect(wanted);
  const asked = checkpoint ? withFormerState(wanted, folder) : wanted;
  const files = await openModelFiles(asked.model, asked);
  const backend = await openBackend(asked.device, { threads: asked.threads, cancelFlag: host.cancelFlag });
  let planned: MemoryPlan | undefined;
  try {
    using data = await readRunData(asked, files, trainFacts(files, backend), host);
    const { split } = data.loaded;
    const config = resolveTrainConfig(asked, trainFacts(files, backend, data.facts));
    const modelWarnings = [...checkFp8(files, backend, config), ...checkBlockLength(files, config)];
    const { plan, choice } = planRun(files, backend, config);
    if (!plan.fits && !asked.force) throw new PlanError(plan);
    for (const warning of [...data.warnings, ...modelWarnings]) host.emit({ event: "warning", ...warning } satisfies TrainEvent);

    planned = plan;
    const { deterministic } = config;
    backend.tune?.({ keepDecoded: choice.decodedWeights === "keep", headRows: choice.headRows, deterministic });
    const chosen = { ...config, ...choice };
    const prepared = await prepareModel(files, backend, chosen, templateSource(config.template), host);
    prepared.model.prepare(config.blockLength);
    await folder.begin({ ...chosen, plan: plan.items }, Date.now() / 1000, checkpoint !== undefined);
    const trainer = new Trainer(
      {
        ...prepared,
        ...makeBatches(data.loaded, config, files.tokenizer.pad ?? 0),
        folder,
        resultName: config.method === "full" ? "model" : "adapter",
        validationRows: split.heldOut.length,
        runStart: {
          model: config.model,
          method: config.method,
          device: backend.device.name,
          epochs: config.epochs,
          rows: split.training.length,
          validationRows: split.heldOut.length,
          trainableParameters: prepared.trainables.layout.count,
          totalParameters: parameterCount(files.shape),
          plannedBytes: plan.totalBytes,
          out: config.out,
        },
        emit: (event) => host.emit(event),
        sample: config.sampleEvery === undefined ? undefined : sampler(prepared.model, files.tokenizer, data.loaded),
        isCancelled: () => isCancelled(host),
        resetCancel: () => resetCancel(host),
        now: () => performance.timeOrigin + performance.now(),
      },
      trainerSettings(chosen, fingerprint(chosen, data.loaded)),
    );
    return await trainer.run(checkpoint);
  } catch (error) {
    throw planned && OutOfMemoryError.isInstance(error) ? withPlan(error, planned) : error;
  } finally {
    backend.dispose();
  }
}

/** A resumed run keeps the optimizer state that its first part chose, whatever is free on the card now. */
function withFormerState(asked: TrainConfig, folder: RunFolder): TrainConfig {
  const former = folder.config()?.optimizerState;
  return asked.optimizerState === "auto" && (former === "f32" || former === "8bit") ? { ...asked, optimizerState: former } : asked;
}

/** Builders take flat values, never the config. */
function trainerSettings(config: ResolvedTrainConfig & LadderChoice, print: string): TrainerSettings {
  const { beta1, beta2, epsilon, weightDecay, optimizerState, learningRate, minLearningRate, warmupSteps, maxSteps } = config;
  return {
    tokensPerPass: config.batchSize * config.blockLength,
    passes: config.gradientAccumulation,
    policy: config.recompute,
    maxGradNorm: config.maxGradNorm,
    optimizer: { beta1, beta2, epsilon, weightDecay, state: optimizerState },
    lossScaling: config.compute === "f16" ? F16_LOSS_SCALING : undefined,
    dropout: { probability: config.method === "full" ? 0 : config.lora.dropout, seed: config.seed },
    maxSteps,
    schedule: { kind: config.schedule, peak: learningRate, floor: minLearningRate, warmupSteps, totalSteps: maxSteps },
    evalEvery: config.evalEvery,
    earlyStopPatience: config.earlyStopPatience,
    checkpointEverySteps: config.checkpointEvery.steps,
    checkpointEveryMinutes: config.checkpointEvery.minutes,
    keepCheckpoints: config.keepCheckpoints,
    logEvery: config.logEvery,
    sampleEvery: config.sampleEvery,
    fingerprint: print,
  };
}

/** A preset's name, or the text of a template file: the adapter must not depend on a file that may move. */
function templateSource(name: string): string {
  return existsSync(name) ? readFileSync(name, "utf8") : name;
}
