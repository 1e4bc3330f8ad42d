/**
 * Options that several commands share: where to run, and which model. Each command's schema spreads these into its own.
 */
import { z } from "zod";
import { count, option, text } from "../option.ts";

/** How base weights may stay in memory. `file` keeps the file's own format, quantized GGUF blocks included. */
export const BASE_FORMATS = ["auto", "bf16", "f32", "nf4", "file"] as const;
/** The dtype of activations. */
export const COMPUTE_DTYPES = ["auto", "bf16", "f16", "f32"] as const;
/** The same for tuning, where frozen weights may also be multiplied in 8 bits. */
export const TRAIN_COMPUTE = [...COMPUTE_DTYPES, "fp8"] as const;

/** `auto`, `cpu`, `cuda` or `cuda:N`. */
const device = z.string().regex(/^(auto|cpu|cuda|cuda:\d+)$/, { error: "expected auto, cpu, cuda or cuda:N (such as cuda:0)" });

export const deviceOptions = {
  device: option(device.default("auto"), {
    description: "Where to run: auto, cpu, cuda or cuda:N",
    more: "`auto` takes the first GPU that works, else the CPU, and says why.",
    placeholder: "device",
  }),
  threads: option(count().optional(), {
    description: "CPU threads",
    derived: "the physical cores this process may use",
    more: "Results are equal to the bit only for an equal number of threads.",
    placeholder: "n",
  }),
  offline: option(z.boolean().default(false), { description: "Never use the network; take models from the local cache only" }),
};

export const modelOptions = {
  model: option(text(), {
    description: "Base model: a Hugging Face folder, a GGUF file, a model that ships with remora, or owner/name on the Hugging Face Hub",
    placeholder: "model",
  }),
  base: option(z.enum(BASE_FORMATS).default("auto"), {
    description: "How the base's weights stay in memory",
    more: "`nf4` needs about a quarter of `bf16`'s memory; `file` keeps a GGUF file's own blocks and costs no conversion.",
  }),
  compute: option(z.enum(COMPUTE_DTYPES).default("auto"), {
    description: "The dtype of activations; sums are always f32",
    more: "`auto` takes the fastest dtype of the device. `f32` is for checking, at twice the memory of activations.",
  }),
};

export const adapterOption = {
  adapter: option(text().optional(), {
    description: "A LoRA adapter in PEFT's layout, laid over the base: a folder, or owner/name on the Hub",
    derived: "none: the base alone",
    placeholder: "folder",
  }),
};

export const seedOption = option(z.int().min(0).max(Number.MAX_SAFE_INTEGER).default(0), {
  description: "Start of every random stream; equal seeds give equal runs on one machine",
  placeholder: "n",
});

/** Column names of the data, by the name a template uses. */
export const columnsOption = option(z.record(text(), text()).optional(), {
  description: "Which column of the data is which field of the template: instruction=question output=answer",
  derived: "columns that already have the template's names",
  placeholder: "field=column...",
});

/** Fields of the template that are equal in every row: data that holds only sentence pairs still needs an instruction. */
export const constantsOption = option(z.record(text(), z.string()).optional(), {
  description: "Fields with one value for every row: instruction='Translate into English.'",
  derived: "none",
  placeholder: "field=text...",
});

/** How data files are read, where their own words do not say it. */
export const readingOptions = {
  encoding: option(text().optional(), {
    description: "Text encoding of the data, such as shift_jis",
    derived: "UTF-8, or what a byte-order mark says",
    placeholder: "name",
  }),
  sheet: option(text().optional(), { description: "Sheet of an XLSX file", derived: "the first", placeholder: "name" }),
  header: option(text().optional(), {
    description: "Column names of a CSV or TSV file without a header line: ja,en",
    derived: "the first line",
    placeholder: "names",
  }),
};

export const templateOption = option(text().optional(), {
  description: "instruct, instruct-context, chat, raw, or a file (Jinja, or text with {})",
  derived: "found from the columns of the data",
  placeholder: "template",
});
