/** `remora merge` and `exportModel()`: a base and its adapter into files that others load, proven before they get their name. */
import { z } from "zod";
import { count, option, section, text, textOrList } from "../option.ts";
import { BASE_FORMATS, COMPUTE_DTYPES, deviceOptions } from "./shared.ts";

const GGUF_TYPE_NAMES = ["f32", "f16", "bf16", "q8_0", "q4_0", "q5_0", "q5_1", "q4_k_m", "q5_k_m", "q6_k"] as const;
const FORMAT = new RegExp(`^(16bit|nf4|adapter|gguf(:(${GGUF_TYPE_NAMES.join("|")}))?)$`);

const what = section("What to save", {
  adapter: option(textOrList().optional(), {
    description: "The adapter's folder; several are merged into one",
    derived: "none: the model as it is, in another format",
    placeholder: "folder...",
  }),
  weights: option(z.union([z.array(z.coerce.number()), z.coerce.number()]).optional(), {
    description: "One factor for each adapter",
    derived: "1 each",
    placeholder: "x...",
  }),
  model: option(text().optional(), {
    description: "The base: a Hugging Face folder, an NF4 folder, a GGUF file, a shipped model, or owner/name in the cache",
    derived: "the one the adapter was trained on",
    placeholder: "model",
  }),
  format: option(
    z
      .string()
      .toLowerCase()
      .regex(FORMAT, { error: `expected 16bit, nf4, adapter or gguf:TYPE with a type of ${GGUF_TYPE_NAMES.join(", ")}` }),
    {
      description: "16bit, nf4, adapter, or gguf:TYPE",
      more: `\`16bit\` and \`nf4\` are Hugging Face folders (NF4 in bitsandbytes' layout); \`gguf\` alone means \`gguf:q4_k_m\`; types are ${GGUF_TYPE_NAMES.join(", ")}; \`adapter\` is a folder in PEFT's layout.`,
      placeholder: "format",
    },
  ),
  out: option(text(), { description: "The folder to make", placeholder: "folder" }),
  force: option(z.boolean().default(false), { description: "Replace an earlier save in `out`" }),
});

const how = section("How", {
  mergeBase: option(z.enum(["auto", "original", "trained"]).default("auto"), {
    description: "Which base the adapter is added to: the original weights, or those that training saw (4 bits, decoded)",
    more: "`auto` takes the original weights when they are at hand and the adapter keeps what it learnt on them. The report measures both.",
  }),
  trainedAs: option(z.enum(BASE_FORMATS).default("auto"), {
    description: "How the base's weights stayed in memory in training",
    more: "`auto` reads the run's config.json beside the adapter; without one the file's own format is assumed.",
  }),
  maxShardBytes: option(count(1).default(5_000_000_000), {
    description: "Bytes of one safetensors file at most",
    placeholder: "bytes",
  }),
});

const proof = section("Proof", {
  proofData: option(textOrList().optional(), {
    description: "Rows to prove the save on, in place of the run's held-out rows",
    derived: "the held-out rows of the adapter's run, else built-in texts",
    placeholder: "path...",
  }),
  template: option(text().optional(), {
    description: "Template of the rows: instruct, instruct-context, chat, raw, or a file",
    derived: "the one the adapter was trained with",
    placeholder: "template",
  }),
  proofRows: option(count().default(32), { description: "Rows compared at most", placeholder: "n" }),
  proofTokens: option(count().default(2048), { description: "Tokens of a row compared at most, prompt included", placeholder: "n" }),
  compute: option(z.enum(COMPUTE_DTYPES).default("auto"), {
    description: "The dtype of activations in the proof",
    more: "`auto` is f32, so that the save is measured and not the rounding of activations.",
  }),
});

export const mergeSchema = z.strictObject({ ...what, ...how, ...proof, ...section("Where", deviceOptions) });

export type MergeConfigInput = z.input<typeof mergeSchema>;
export type MergeConfig = z.output<typeof mergeSchema>;
