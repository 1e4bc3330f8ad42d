/** Opens an encoder's files, wherever they come from: headers only. `stored-encoder.ts` says what comes back. */
import { existsSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { readJsonObject } from "../formats/json-file.ts";
import { isObject } from "../formats/untrusted-json.ts";
import { readEncoderShape } from "./encoder-shape.ts";
import { openGgufEncoder } from "./gguf-encoder.ts";
import { openHuggingFaceModel } from "./huggingface-model.ts";
import type { EncoderSource, Pooling } from "./stored-encoder.ts";

export type { EncoderSource, Pooling } from "./stored-encoder.ts";

/** The e5 family was trained with these, and its files do not say so. Source: the model cards of intfloat/e5-* and multilingual-e5-*. */
const E5_PREFIXES = { query: "query: ", passage: "passage: " };
/** Prefixes of checkpoints are unnamed roots or `bert.`-like ones. */
const ROOTS: readonly string[] = ["", "bert.", "roberta.", "model."];

/** @param path a folder or a `.gguf` file  @throws FileAccessError · FileFormatError · UnknownModelError · ConfigValueError */
export function openEncoderSource(path: string): EncoderSource {
  if (!statSync(path).isDirectory()) {
    const gguf = openGgufEncoder(path);
    return { ...gguf, prefixes: isE5(path, gguf.name) ? E5_PREFIXES : { query: "", passage: "" } };
  }
  const model = openHuggingFaceModel(path);
  const shape = readEncoderShape(model.config, path);
  const root = ROOTS.find((each) => model.tensor(`${each}embeddings.word_embeddings.weight`)) ?? "";
  const limit = shape.positionRows - shape.firstPosition;
  const recommended = optionalJson(path, "sentence_bert_config.json")?.max_seq_length;
  return {
    path,
    shape,
    pooling: readPooling(path),
    prefixes: readPrefixes(path, model.config),
    maxTokens: typeof recommended === "number" && recommended >= 8 ? Math.min(limit, Math.floor(recommended)) : limit,
    tokenizerSource: model.tokenizerSource,
    // Checkpoints from TensorFlow's days call a norm's weight and bias gamma and beta.
    tensor: (name) =>
      model.tensor(root + name) ?? model.tensor(root + name.replace(/Norm\.weight$/, "Norm.gamma").replace(/Norm\.bias$/, "Norm.beta")),
  };
}

/** sentence-transformers keeps it in the folder that modules.json names; without it, the mean is what most encoders use. */
function readPooling(folder: string): Pooling {
  const modules = optionalValue(folder, "modules.json");
  const named = Array.isArray(modules) ? modules.find((each) => isObject(each) && String(each.type).endsWith("Pooling")) : undefined;
  const settings = optionalJson(join(folder, isObject(named) ? String(named.path) : "1_Pooling"), "config.json");
  return settings?.pooling_mode_cls_token === true ? "cls" : "mean";
}

function readPrefixes(folder: string, config: Readonly<Record<string, unknown>>): EncoderSource["prefixes"] {
  const prompts = optionalJson(folder, "config_sentence_transformers.json")?.prompts;
  const prompt = (name: string) => (isObject(prompts) && typeof prompts[name] === "string" ? (prompts[name] as string) : undefined);
  const query = prompt("query");
  const passage = prompt("passage") ?? prompt("document");
  // Recent versions write the names with empty texts when nothing is set.
  if (query || passage) return { query: query ?? "", passage: passage ?? "" };
  return isE5(folder, config._name_or_path) ? E5_PREFIXES : { query: "", passage: "" };
}

const isE5 = (path: string, name: unknown): boolean =>
  /(^|[^a-z0-9])e5-(small|base|large)/i.test(path) || (typeof name === "string" && /(^|[^a-z0-9])e5-(small|base|large)/i.test(name));

const optionalJson = (folder: string, name: string) => (existsSync(join(folder, name)) ? readJsonObject(join(folder, name)) : undefined);

/** For files whose root may be a list; damage in them is not worth refusing a model for. */
function optionalValue(folder: string, name: string): unknown {
  if (!existsSync(join(folder, name))) return undefined;
  try {
    return JSON.parse(readFileSync(join(folder, name), "utf8"));
  } catch {
    return undefined;
  }
}
