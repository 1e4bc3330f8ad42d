/**
 * A checked training config plus what is known about the model, the data and the device → every option filled, each with its reason.
 *
 * The rules stand here and nowhere else; the trainer receives values only. Facts are handed in, so this file touches no file and no device.
 */
import { counted } from "../errors/counted.ts";
import type { TrainConfig } from "./schemas/train.ts";

type ActivationDType = "bf16" | "f16" | "f32";

/** The dtype of activations: fp8 is bf16 but for the products with frozen weights. */
export function activationDType(compute: ActivationDType | "fp8"): ActivationDType {
  return compute === "fp8" ? "bf16" : compute;
}

/** What the rules look at. Unknown facts may be absent; the rules then take the cautious side and say so. */
export interface TrainFacts {
  device: {
    kind: "cpu" | "cuda" | "reference";
    /** `cpu`, `cuda:0` */
    name: string;
    /** `avx512-bf16`, `sm_90` */
    architecture: string;
    threads: number;
    /** Fast activation dtypes, best first. */
    activationDTypes: readonly ActivationDType[];
  };
  model: {
    /** The model's own limit in tokens. */
    maxPositions: number;
    /** How the checkpoint stores its linears: `bf16`, `f32`, `nf4`, or a GGUF block format. */
    storedAs: string;
    /** True when the file's own format can stay in memory as it is (GGUF blocks, pre-quantized NF4). */
    quantized: boolean;
    hasChatTemplate: boolean;
  };
  data?: {
    rows: number;
    /** Fields of the template that rows have, after mapping: `instruction`, `messages` … */
    fields: readonly string[];
    /** Tokens of the longest row and of all rows, with template and end-of-text. */
    longestRow?: number;
    tokens?: number;
  };
}

/** Why a value is what it is, by path. A path that is absent was set by the user or has a fixed default. */
export type Reasons = Record<string, string>;

type Filled<T, K extends keyof T> = Omit<T, K> & { [P in K]-?: Exclude<T[P], undefined> };

/** A run's options without anything open, saved as `config.json` in the run's folder. */
export type ResolvedTrainConfig = Filled<
  Omit<TrainConfig, "lora" | "base" | "compute" | "validation">,
  "blockLength" | "batchSize" | "epochs" | "learningRate" | "warmupSteps" | "template" | "threads" | "maxSteps" | "evalEvery"
> & {
  lora: Filled<TrainConfig["lora"], "alpha">;
  base: "bf16" | "f32" | "nf4" | "file";
  compute: ActivationDType | "fp8";
  /** Rows held out; 0 for none. Unused when `path` is set. */
  validation: { count: number; path?: string };
  reasons: Reasons;
};

const GPU_TOKENS = 8192;
const CPU_TOKENS = 2048;
const MAX_BLOCK = 2048;

export function resolveTrainConfig(config: TrainConfig, facts: TrainFacts): ResolvedTrainConfig {
  const reasons: Reasons = {};
  const fill = <T>(path: string, given: T | undefined, derive: () => readonly [T, string]): T => {
    if (given !== undefined) return given;
    const [value, reason] = derive();
    reasons[path] = reason;
    return value;
  };
  const auto = <T extends string>(value: T | "auto") => (value === "auto" ? undefined : (value as Exclude<T, "auto">));

  const compute = fill("compute", auto(config.compute), () => computeDType(facts));
  const base = fill("base", auto(config.base), () => baseFormat(config, facts, compute));
  const template = fill("template", config.template, () => chooseTemplate(config, facts.data?.fields ?? [], facts.model.hasChatTemplate));
  const blockLength = fill("blockLength", config.blockLength, () => deriveBlockLength(facts.model.maxPositions, facts.data?.longestRow));
  const batchSize = fill("batchSize", config.batchSize, () => batchSizeOf(facts, blockLength, config.gradientAccumulation));
  const count = validationCount(config, facts, fill);

  const rows = Math.max((facts.data?.rows ?? 0) - count, 0);
  const stepsPerEpoch = Math.max(1, stepsOf(facts, rows, blockLength, batchSize * config.gradientAccumulation, config.packing));
  const epochs = fill("epochs", config.epochs, () =>
    config.maxSteps === undefined
      ? [1, "one pass over the data"]
      : [config.maxSteps / stepsPerEpoch, `what maxSteps ${config.maxSteps} needs`],
  );
  const maxSteps = fill("maxSteps", config.maxSteps, () => [
    Math.max(1, Math.ceil(epochs * stepsPerEpoch)),
    `${epochs} × about ${counted(stepsPerEpoch, "step")} an epoch`,
  ]);

  return {
    ...config,
    compute,
    base,
    template,
    blockLength,
    batchSize,
    epochs,
    maxSteps,
    lora: { ...config.lora, alpha: fill("lora.alpha", config.lora.alpha, () => [config.lora.rank, "equal to the rank: scale 1"]) },
    learningRate: fill("learningRate", config.learningRate, () => learningRateOf(config)),
    warmupSteps: fill("warmupSteps", config.warmupSteps, () => [
      Math.round(maxSteps * config.warmupRatio),
      `${config.warmupRatio} of ${counted(maxSteps, "step")}`,
    ]),
    evalEvery: fill("evalEvery", config.evalEvery, () => [Math.max(1, Math.ceil(maxSteps / 10)), "a tenth of the run"]),
    validation: config.validation.path === undefined ? { count } : { count: 0, path: config.validation.path },
    threads: fill("threads", config.threads, () => [facts.device.threads, "the cores this process may use"]),
    reasons,
  };
}

function computeDType({ device }: TrainFacts): readonly [ActivationDType, string] {
  const best = device.activationDTypes[0] ?? "f32";
  return [best, `${best}: the fastest on ${device.name} (${device.architecture})`];
}

function baseFormat(config: TrainConfig, { model }: TrainFacts, compute: string): readonly ["bf16" | "f32" | "nf4" | "file", string] {
  if (config.method === "full") return ["f32", "f32: all weights are trained"];
  if (config.method === "qlora") return model.storedAs === "nf4" ? ["file", "file: it is NF4 already"] : ["nf4", "nf4: method is qlora"];
  if (model.quantized) return ["file", `file: stored as ${model.storedAs}`];
  return compute === "f32" ? ["f32", "f32: the compute dtype"] : ["bf16", `bf16: half of f32's memory, stored as ${model.storedAs}`];
}

/** The template that rows of these fields want, and why. */
export function chooseTemplate(
  config: Pick<TrainConfig, "objective" | "columns" | "constants">,
  fields: readonly string[],
  hasChatTemplate: boolean,
): readonly [string, string] {
  if (config.objective === "pretrain") return ["raw", "raw: the objective is pretrain"];
  const names = new Set([...fields, ...Object.keys(config.columns ?? {}), ...Object.keys(config.constants ?? {})]);
  if (names.has("messages")) return ["chat", "chat: rows hold messages"];
  if (names.has("instruction")) {
    return names.has("context")
      ? ["instruct-context", "instruct-context: rows have instruction and context"]
      : ["instruct", "instruct: rows have instruction"];
  }
  if (names.has("text")) return ["raw", "raw: rows have text only"];
  return hasChatTemplate ? ["chat", "chat: the model has a chat template"] : ["instruct", "instruct: the usual one"];
}

/** Long enough for the longest row, at most 2,048 and the model's own limit. */
export function deriveBlockLength(maxPositions: number, longestRow: number | undefined): readonly [number, string] {
  const limit = Math.min(MAX_BLOCK, maxPositions);
  const limitReason = limit < MAX_BLOCK ? "the model's own limit" : "2,048 at most";
  if (longestRow === undefined) return [limit, limitReason];
  const needed = Math.max(256, Math.ceil(longestRow / 64) * 64);
  return needed < limit ? [needed, `the longest row has ${counted(longestRow, "token")}`] : [limit, limitReason];
}

function batchSizeOf({ device, data }: TrainFacts, blockLength: number, accumulation: number): readonly [number, string] {
  const aim = device.kind === "cuda" ? GPU_TOKENS : CPU_TOKENS;
  const size = Math.max(1, Math.floor(aim / (blockLength * accumulation)));
  const blocks = data?.tokens === undefined ? Infinity : Math.ceil(data.tokens / blockLength);
  // Ten steps an epoch at least: fewer would let a small data set be seen in one or two updates.
  const most = Math.max(1, Math.floor(blocks / (10 * accumulation)));
  return size <= most
    ? [size, `about ${counted(aim, "token")} a step on ${device.name}`]
    : [most, `${counted(blocks, "block")} of data: about ten steps an epoch`];
}

type Fill = <T>(path: string, given: T | undefined, derive: () => readonly [T, string]) => T;

function validationCount(config: TrainConfig, { data }: TrainFacts, fill: Fill): number {
  const { fraction, count, path } = config.validation;
  if (path !== undefined) return 0;
  const rows = data?.rows ?? 0;
  if (count === undefined && fraction !== undefined) return Math.round(rows * fraction);
  return fill("validation.count", count, () => {
    if (rows < 40) return [0, rows === 0 ? "the number of rows is not known" : `only ${counted(rows, "row")}`];
    return [Math.min(200, Math.round(rows * 0.05)), `5% of ${counted(rows, "row")}, at most 200`];
  });
}

function stepsOf(facts: TrainFacts, rows: number, blockLength: number, blocksPerStep: number, packing: boolean): number {
  if (!facts.data) return 1;
  const share = facts.data.rows > 0 ? rows / facts.data.rows : 0;
  const blocks = packing && facts.data.tokens !== undefined ? (facts.data.tokens * share) / blockLength : rows;
  return Math.ceil(blocks / blocksPerStep);
}

function learningRateOf({ method, objective }: TrainConfig): readonly [number, string] {
  if (method !== "full") return [2e-4, `2e-4: usual for ${method}`];
  return objective === "pretrain" ? [1e-3, "1e-3: usual for all weights from plain text"] : [2e-5, "2e-5: usual for all weights"];
}
