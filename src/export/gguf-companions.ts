/** Metadata of a GGUF save that is not a size of the model: what it is called, its tokenizer, its chat template. And the Ollama Modelfile. */
import { basename } from "node:path";
import type { GgufEntry } from "../formats/gguf-writer.ts";
import type { WeightSource } from "../models/stored-weights.ts";
import { describeTokenizerForGguf } from "../text/gguf-tokenizer-metadata.ts";
import type { Tokenizer } from "../text/tokenizer.ts";
import { GGUF_SAVE_FACTS, type GgufSaveType } from "./gguf-types.ts";

/** Format version of ggml's quantized blocks. */
const QUANTIZATION_VERSION = 2;
/** Our own key: the prompt template that the adapter learnt. */
export const TEMPLATE_KEY = "remora.template";

export function generalEntries(architecture: string, name: string, save: GgufSaveType, template: string | undefined): GgufEntry[] {
  return [
    { key: "general.architecture", type: "string", value: architecture },
    { key: "general.type", type: "string", value: "model" },
    { key: "general.name", type: "string", value: name },
    { key: "general.file_type", type: "u32", value: GGUF_SAVE_FACTS[save].fileType },
    { key: "general.quantization_version", type: "u32", value: QUANTIZATION_VERSION },
    ...(template === undefined ? [] : [{ key: TEMPLATE_KEY, type: "string" as const, value: template }]),
  ];
}

/** @throws TokenizerError for a tokenizer that llama.cpp cannot run */
export function tokenizerEntries(source: WeightSource, tokenizer: Tokenizer, rows: number): GgufEntry[] {
  const from = source.tokenizerSource;
  return from.kind === "gguf" ? copiedEntries(from.metadata) : writtenEntries(from.path, tokenizer, rows);
}

function writtenEntries(folder: string, tokenizer: Tokenizer, rows: number): GgufEntry[] {
  const described = describeTokenizerForGguf(folder, tokenizer, rows);
  const key = (name: string) => `tokenizer.ggml.${name}`;
  const { bos, eos, pad, addsBos, chatTemplate } = tokenizer;
  const [end, turnEnd] = eos;
  const entries: GgufEntry[] = [
    { key: key("model"), type: "string", value: described.model },
    { key: key("pre"), type: "string", value: described.pre },
    { key: key("tokens"), type: "strings", value: described.tokens },
    { key: key("token_type"), type: "i32s", value: described.tokenTypes },
  ];
  const id = (name: string, value: number | undefined) => {
    if (value !== undefined) entries.push({ key: key(name), type: "u32", value });
  };
  if (described.merges) entries.push({ key: key("merges"), type: "strings", value: described.merges });
  if (described.scores) entries.push({ key: key("scores"), type: "f32s", value: described.scores });
  id("bos_token_id", bos);
  id("eos_token_id", end);
  id("eot_token_id", turnEnd);
  id("unknown_token_id", described.unknownId);
  id("padding_token_id", pad);
  entries.push({ key: key("add_bos_token"), type: "bool", value: addsBos });
  entries.push({ key: key("add_eos_token"), type: "bool", value: false });
  entries.push({ key: key("add_space_prefix"), type: "bool", value: described.addsSpacePrefix });
  if (chatTemplate !== undefined) entries.push({ key: "tokenizer.chat_template", type: "string", value: chatTemplate });
  return entries;
}

/** The base is a GGUF file: its tokenizer goes over unchanged. */
function copiedEntries(metadata: ReadonlyMap<string, unknown>): GgufEntry[] {
  const entries: GgufEntry[] = [];
  for (const [key, value] of metadata) {
    if (!key.startsWith("tokenizer.")) continue;
    if (typeof value === "string") entries.push({ key, type: "string", value });
    else if (typeof value === "boolean") entries.push({ key, type: "bool", value });
    else if (typeof value === "number" && Number.isInteger(value) && value >= 0) entries.push({ key, type: "u32", value });
    else if (value instanceof Float32Array) entries.push({ key, type: "f32s", value });
    else if (value instanceof Int32Array) entries.push({ key, type: "i32s", value });
    else if (value instanceof Uint32Array) entries.push({ key, type: "i32s", value: Int32Array.from(value) });
    else if (Array.isArray(value) && value.every((each) => typeof each === "string")) entries.push({ key, type: "strings", value });
  }
  return entries;
}

/** The file's name as others name theirs: `SmolLM2-135M-Q4_K_M.gguf`. */
export function ggufFileName(model: string, save: GgufSaveType): string {
  const name = basename(model.replace(/\/+$/, "").replace(/@[^@/]*$/, "")).replace(/\.gguf$/i, "");
  return `${name.replace(/[^\w.-]+/g, "-") || "model"}-${save.toUpperCase()}.gguf`;
}

/** Ollama's words for remora's own prompt templates; a chat template is read by Ollama from the file itself. */
const OLLAMA_TEMPLATES: Readonly<Record<string, string>> = {
  instruct: "### Instruction:\n{{ .Prompt }}\n\n### Response:\n",
  raw: "{{ .Prompt }}",
};

export function modelfile(fileName: string, tokenizer: Tokenizer, template: string | undefined, contextLength: number): string {
  const quoted = (text: string) => JSON.stringify(text);
  const ollama = template === undefined ? undefined : OLLAMA_TEMPLATES[template];
  const ends = tokenizer.eos.flatMap((id) => tokenizer.tokenOf(id) ?? []);
  return [
    `FROM ./${fileName}`,
    ...(ollama === undefined ? [] : [`TEMPLATE """${ollama}"""`]),
    ...ends.map((text) => `PARAMETER stop ${quoted(text)}`),
    `PARAMETER num_ctx ${contextLength}`,
    "",
  ].join("\n");
}
