/**
 * `remora train` and `train()`: every option of a run.
 *
 * A model and data are enough. An option marked `derived` is filled from the model, the data and the device by `resolveTrainConfig`, which
 * records the reason for each.
 */
import { z } from "zod";
import { count, group, option, positive, section, share, text, textOrList } from "../option.ts";
import {
  columnsOption,
  constantsOption,
  deviceOptions,
  modelOptions,
  readingOptions,
  seedOption,
  TRAIN_COMPUTE,
  templateOption,
} from "./shared.ts";

/** The seven linears of a decoder layer, by their checkpoint names. */
const ALL_LINEARS = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"] as const;

const what = section("Model and data", {
  ...modelOptions,
  compute: option(z.enum(TRAIN_COMPUTE).default("auto"), {
    description: "The dtype of activations, or fp8: bf16 with the frozen linears in 8 bits; sums are always f32",
    more: "`auto` takes the fastest dtype of the device, never fp8. `f32` is for checking, at twice the memory of activations. `fp8` multiplies base weights and what they meet as E4M3 (2 bytes a weight on a card; Hopper only, cuBLAS 12.9 or later); adapters, attention and head stay bf16. On a CPU it is emulated: the same numbers, slower than bf16.",
  }),
  data: option(textOrList(), {
    description:
      "Training rows: JSON, JSONL, CSV, TSV, Parquet or XLSX, or hf://owner/name on the Hub; several are read one after the other",
    placeholder: "path...",
  }),
  columns: columnsOption,
  constants: constantsOption,
  ...readingOptions,
  out: option(text().default("run"), { description: "The run's folder: config, metrics, checkpoints, adapter", placeholder: "folder" }),
  method: option(z.enum(["lora", "qlora", "full"]).default("lora"), {
    description: "LoRA, LoRA over a 4-bit base, or all weights",
    more: "`qlora` is `lora` with `base: nf4`. `full` needs about 16 bytes of memory a parameter.",
  }),
  objective: option(z.enum(["sft", "pretrain"]).default("sft"), {
    description: "Answer the way the rows do, or continue plain text",
    more: "`pretrain` trains on every token of the `text` column and may cut long texts into several blocks.",
  }),
  template: templateOption,
  trainOn: option(z.enum(["responses", "all"]).default("responses"), { description: "Which tokens carry loss" }),
});

const adapter = section("Adapter", {
  lora: group(
    {
      rank: option(count().default(16), {
        description: "Rank R of the update",
        placeholder: "n",
        more: "Memory and adapter size grow with it.",
      }),
      alpha: option(positive().optional(), {
        description: "Scale of the update: alpha / rank",
        derived: "equal to the rank: scale 1",
        placeholder: "x",
      }),
      rsLora: option(z.boolean().default(false), { description: "Scale by alpha / √rank instead (rsLoRA); for ranks of 64 and more" }),
      dropout: option(share().default(0), { description: "Dropout on the update's input", placeholder: "p" }),
      targets: option(textOrList().default([...ALL_LINEARS]), {
        description: "Linears that get an update: a list of names, or one regular expression on the whole path",
        placeholder: "name...",
      }),
    },
    { description: "The low-rank update" },
  ),
});

const batches = section("Batches", {
  blockLength: option(count(16).optional(), {
    description: "Tokens of a packed block; a longer row is cut or refused",
    derived: "the longest row rounded up, at most 2,048 and the model's own limit",
    placeholder: "tokens",
  }),
  batchSize: option(count().optional(), {
    description: "Blocks of one forward and backward pass",
    derived: "about 8,192 tokens on a GPU, 2,048 on a CPU, less when the data is small",
    more: "Activations grow with it. Halve it and double gradientAccumulation for the same run in less memory.",
    placeholder: "n",
  }),
  gradientAccumulation: option(count().default(1), { description: "Passes per optimizer step", placeholder: "n" }),
  packing: option(z.boolean().default(true), { description: "Several rows in one block; attention never crosses a row" }),
  longRows: option(z.enum(["error", "truncate", "drop"]).default("truncate"), {
    description: "What happens to rows longer than a block",
    more: "A cut row keeps its prompt and the start of its response; how many were cut or dropped is always reported.",
  }),
  shuffle: option(z.boolean().default(true), { description: "A new order of rows each epoch, from the seed" }),
});

const length = section("Length of the run", {
  maxSteps: option(count().optional(), { description: "Optimizer steps", derived: "what `epochs` needs", placeholder: "n" }),
  epochs: option(positive().optional(), {
    description: "Passes over the data, a fraction allowed",
    derived: "1, unless maxSteps is given",
    placeholder: "x",
  }),
});

const optimizer = section("Optimizer", {
  learningRate: option(positive().optional(), {
    description: "Peak learning rate",
    derived: "2e-4 for LoRA, 2e-5 for all weights, 1e-3 for all weights from plain text",
    placeholder: "x",
  }),
  schedule: option(z.enum(["linear", "cosine", "constant"]).default("cosine"), {
    description: "How the learning rate falls after warm-up",
  }),
  warmupSteps: option(count(0).optional(), {
    description: "Steps of rising learning rate",
    derived: "warmupRatio of all steps",
    placeholder: "n",
  }),
  warmupRatio: option(share().default(0.03), { description: "The same as a share of all steps", placeholder: "x" }),
  minLearningRate: option(z.number().min(0).default(0), { description: "Where the schedule ends", placeholder: "x" }),
  weightDecay: option(z.number().min(0).default(0), { description: "AdamW's decoupled weight decay", placeholder: "x" }),
  beta1: option(share().default(0.9), { description: "AdamW's decay of the first moment", placeholder: "x" }),
  beta2: option(share().default(0.999), { description: "AdamW's decay of the second moment", placeholder: "x" }),
  epsilon: option(positive().default(1e-8), { description: "AdamW's epsilon", placeholder: "x" }),
  maxGradNorm: option(z.number().min(0).default(1), { description: "Clip the gradient's norm to this; 0 is off", placeholder: "x" }),
  optimizerState: option(z.enum(["auto", "f32", "8bit"]).default("auto"), {
    description: "How AdamW's moments are kept",
    more: "`8bit` needs a quarter of the memory; worth it for `method: full`. `auto` is f32, and 8 bits on a card that it would not fit otherwise.",
  }),
  recompute: option(z.enum(["auto", "none", "cheap", "layers", "host"]).default("auto"), {
    description: "Which activations are computed again in the backward pass instead of kept",
    more: "`cheap` repeats norms and gates, a few percent of the time; `layers` keeps layer inputs only, a third to a half more time; `host` keeps those in the host's memory. `auto` takes the fastest that fits.",
  }),
  decodedWeights: option(z.enum(["auto", "keep", "each-use"]).default("auto"), {
    description:
      "On a card: 4-bit weights decoded once and kept (2 bytes a weight), or at each use (NF4: as quick in 16 bits without LoRA dropout; other formats: about 2% of the time)",
  }),
  embedding: option(z.enum(["auto", "device", "host"]).default("auto"), {
    description: "On a card: where the embedding lies; the host's memory costs under 1% of the time",
    more: "Not for models whose head is the embedding.",
  }),
  headRows: option(count(0).optional(), {
    description: "On a card: rows of logits that exist at once, 6 bytes × vocabulary each; 0 is the fewest",
    derived: "1,024 on a card, fewer where they do not fit; 0 on the CPU",
    placeholder: "n",
  }),
  deterministic: option(z.boolean().default(true), {
    description: "On a card: equal runs are equal to the bit",
    more: "`false` lets attention's backward pass on Hopper add in the order in which blocks finish: one walk over the scores instead of two, for 4 bytes × tokens × query heads × head size. Resuming is then not exact either.",
  }),
  seed: seedOption,
});

const watching = section("Watching and keeping", {
  validation: group(
    {
      fraction: option(z.number().min(0).lt(1).optional(), {
        description: "Share of the rows held out",
        derived: "see validation.count",
        placeholder: "x",
      }),
      count: option(count(0).optional(), {
        description: "Rows held out; 0 for none",
        derived: "5% of the rows, at most 200, and none below 40 rows",
        placeholder: "n",
      }),
      path: option(text().optional(), {
        description: "Held-out rows in a file of their own",
        derived: "split from the data",
        placeholder: "path",
      }),
    },
    { description: "Held-out rows, never trained on: loss and perplexity, the best checkpoint" },
  ),
  evalEvery: option(count().optional(), { description: "Steps between evaluations", derived: "a tenth of the run", placeholder: "steps" }),
  earlyStopPatience: option(count().optional(), {
    description: "Stop after so many evaluations without a better loss",
    derived: "never stop early",
    placeholder: "n",
  }),
  checkpointEvery: group(
    {
      steps: option(count().optional(), { description: "Steps between checkpoints", derived: "by minutes only", placeholder: "n" }),
      minutes: option(positive().default(10), { description: "Minutes between checkpoints", placeholder: "x" }),
    },
    { description: "A checkpoint is also written at the end and on interruption" },
  ),
  keepCheckpoints: option(count().default(2), {
    description: "Newest checkpoints kept",
    placeholder: "n",
  }),
  logEvery: option(count().default(1), { description: "Steps between reports", placeholder: "steps" }),
  sampleEvery: option(count().optional(), {
    description: "Steps between greedy answers to a held-out prompt",
    derived: "never",
    placeholder: "steps",
  }),
});

const running = section("Where and how", {
  ...deviceOptions,
  resume: option(z.boolean().default(false), { description: "Go on from the newest checkpoint in `out`" }),
  force: option(z.boolean().default(false), { description: "Replace what is in `out`, and run even when the plan says it may not fit" }),
});

/** The options by themselves; `trainSchema` also knows which do not go together. */
export const trainOptions = z.strictObject({ ...what, ...adapter, ...batches, ...length, ...optimizer, ...watching, ...running });

/** Options that contradict each other. Runs when each option by itself is right. */
export function checkTrainOptions({ value, issues }: z.core.ParsePayload<z.output<typeof trainOptions>>): void {
  const refuse = (path: string[], message: string) => void issues.push({ code: "custom", path, message, input: value });
  const { method, base, validation } = value;
  if (method === "qlora" && (base === "bf16" || base === "f32")) refuse(["base"], "auto, nf4 or file, because the method is qlora");
  if (method === "full" && value.compute === "fp8") refuse(["compute"], "auto, bf16, f16 or f32, because all weights are trained");
  if (method === "full" && base !== "auto" && base !== "f32") refuse(["base"], "auto or f32, because all weights are trained");
  const ways = (["fraction", "count", "path"] as const).filter((name) => validation[name] !== undefined);
  if (ways.length > 1) refuse(["validation"], "one of fraction, count and path");
}

export const trainSchema = trainOptions.check(checkTrainOptions);

/** What a person writes. */
export type TrainConfigInput = z.input<typeof trainSchema>;
/** Checked, with fixed defaults filled; derived fields may still be open. */
export type TrainConfig = z.output<typeof trainSchema>;
