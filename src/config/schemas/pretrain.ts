/**
 * `remora pretrain` and `pretrain()`: training all weights on token files, from nothing or from a model that is there.
 */
import { z } from "zod";
import { count, group, option, positive, section, share, text } from "../option.ts";
import { deviceOptions, seedOption } from "./shared.ts";

/** Numbers by the name of a source; the command line hands them in as text. */
const weights = () => z.record(text(), z.coerce.number({ error: "expected a number" }).min(0));

const what = section("Model and data", {
  model: option(text(), {
    description:
      "A Hugging Face folder with config.json and tokenizer, or a GGUF file to go on from; in a folder without weights they start random, from the seed",
    placeholder: "folder",
  }),
  data: option(z.record(text(), text()), {
    description: "Token files by the name of their source: books=books.tokens pairs=pairs.tokens",
    placeholder: "name=path...",
    more: "`remora data tokenize` makes them. They may be larger than memory.",
  }),
  mix: option(weights().optional(), {
    description: "Share of the tokens that each source has; shares need not add up to 1, a source without one has none",
    derived: "by the sources' sizes: every text as often as any other",
    placeholder: "name=share...",
  }),
  finalMix: option(weights().optional(), {
    description: "The same for the final phase, where the learning rate is low and what is read last stays best",
    derived: "mix",
    placeholder: "name=share...",
  }),
  finalShare: option(share().default(0.2), { description: "Share of the steps that the final phase has", placeholder: "x" }),
  heldOut: option(z.record(text(), text()).optional(), {
    description: "Token files to score, by name: loss and bits per byte of each",
    derived: "nothing is scored",
    placeholder: "name=path...",
  }),
  out: option(text().default("run"), { description: "The run's folder: config, metrics, checkpoints, model", placeholder: "folder" }),
});

const length = section("Batches and length", {
  blockLength: option(count(16).optional(), {
    description: "Tokens of a block; documents are packed into it and cut at its end",
    derived: "the model's own limit, at most 2,048",
    placeholder: "tokens",
  }),
  batchSize: option(count().optional(), {
    description: "Blocks of one forward and backward pass",
    derived: "about 65,536 tokens on a GPU, 2,048 on a CPU",
    placeholder: "n",
  }),
  gradientAccumulation: option(count().default(1), { description: "Passes per optimizer step", placeholder: "n" }),
  maxSteps: option(count().optional(), {
    description: "Optimizer steps",
    derived: "as many as one pass over all tokens needs; with maxMinutes as many as fit",
    placeholder: "n",
  }),
  maxMinutes: option(positive().optional(), {
    description: "Minutes of the whole run, evaluations and saving included; the schedule is laid by measured speed to end in time",
    derived: "no limit: the run ends with maxSteps",
    more: "Such a run cannot be repeated to the bit: how many steps fit is measured. Where that matters, take maxSteps from its log.",
    placeholder: "x",
  }),
});

const optimizer = section("Optimizer", {
  learningRate: option(positive().default(1e-3), { description: "Peak learning rate", placeholder: "x" }),
  minLearningRate: option(z.number().min(0).optional(), {
    description: "Where the cosine ends",
    derived: "a twentieth of the peak",
    placeholder: "x",
  }),
  warmupSteps: option(count(0).default(100), { description: "Steps of rising learning rate", placeholder: "n" }),
  weightDecay: option(z.number().min(0).default(0.1), {
    description: "AdamW's decoupled weight decay, on matrices only: norms, biases and embeddings have none",
    placeholder: "x",
  }),
  beta1: option(share().default(0.9), { description: "AdamW's decay of the first moment", placeholder: "x" }),
  beta2: option(share().default(0.95), { description: "AdamW's decay of the second moment", placeholder: "x" }),
  epsilon: option(positive().default(1e-8), { description: "AdamW's epsilon", placeholder: "x" }),
  maxGradNorm: option(z.number().min(0).default(1), { description: "Clip the gradient's norm to this; 0 is off", placeholder: "x" }),
  optimizerState: option(z.enum(["f32", "8bit"]).default("f32"), { description: "How AdamW's moments are kept" }),
  recompute: option(z.enum(["auto", "none", "cheap", "layers"]).default("auto"), {
    description: "Which activations are computed again in the backward pass instead of kept",
    more: "`auto` keeps everything where memory allows.",
  }),
  compute: option(z.enum(["auto", "bf16", "f16", "f32"]).default("auto"), {
    description: "The dtype of activations and of the weights that products read; masters, gradients and moments are f32",
  }),
  seed: seedOption,
});

const watching = section("Watching and keeping", {
  evalEvery: option(count().optional(), {
    description: "Steps between evaluations",
    derived: "before the first step and behind the last only",
    placeholder: "steps",
  }),
  checkpointEvery: group(
    { minutes: option(positive().default(10), { description: "Minutes between checkpoints", placeholder: "x" }) },
    { description: "A checkpoint is also written at the end and on interruption" },
  ),
  keepCheckpoints: option(count().default(2), { description: "Newest checkpoints kept", placeholder: "n" }),
  logEvery: option(count().default(20), {
    description: "Steps between reports; only there is the device waited for",
    placeholder: "steps",
  }),
});

const running = section("Where and how", {
  ...deviceOptions,
  resume: option(z.boolean().default(false), { description: "Go on from the newest checkpoint in `out`" }),
  force: option(z.boolean().default(false), { description: "Replace what is in `out`, and run even when the plan says it may not fit" }),
});

const pretrainOptions = z.strictObject({ ...what, ...length, ...optimizer, ...watching, ...running });

/** Names that no source has, and a mix that reads nothing. */
export const pretrainSchema = pretrainOptions.check(({ value, issues }) => {
  const refuse = (path: string[], message: string, found?: string) =>
    void issues.push({ code: "custom", path, message, input: value, ...(found !== undefined && { params: { found } }) });
  const names = Object.keys(value.data);
  if (names.length === 0) refuse(["data"], "expected at least one source");
  for (const key of ["mix", "finalMix"] as const) {
    const mix = value[key];
    if (mix === undefined) continue;
    for (const name of Object.keys(mix)) if (!names.includes(name)) refuse([key, name], `one of the sources ${names.join(", ")}`, name);
    if (Object.values(mix).every((weight) => weight === 0)) refuse([key], "a share above 0");
  }
});

export type PretrainConfigInput = z.input<typeof pretrainSchema>;
export type PretrainConfig = z.output<typeof pretrainSchema>;
