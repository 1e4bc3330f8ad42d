/**
 * The tokenizer of a Hugging Face folder: `tokenizer.json`, and beside it `tokenizer_config.json`, `special_tokens_map.json`,
 * `generation_config.json`, `config.json` and `chat_template.jinja`, each optional and any of which may hold what the others lack.
 */
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { TokenizerError } from "../errors/tokenizer-error.ts";
import { endTokens } from "./end-tokens.ts";
import { LibraryTokenizer } from "./library-tokenizer.ts";
import type { Tokenizer } from "./tokenizer.ts";
import type { TokenizerJson } from "./tokenizer-json.ts";

type Json = Record<string, unknown>;

function readJson(path: string): Json | undefined {
  if (!existsSync(path)) return undefined;
  try {
    const value: unknown = JSON.parse(readFileSync(path, "utf8").replace(/^\uFEFF/, ""));
    if (typeof value !== "object" || value === null || Array.isArray(value)) throw new SyntaxError("expected a JSON object");
    return value as Json;
  } catch (cause) {
    throw new TokenizerError(
      path,
      `expected a JSON object, found damage: ${(cause as Error).message.replace(/ \(line .*\)$/, "")}`,
      "Fetch the file again.",
      cause,
    );
  }
}

/** A token's name, written as a string or as `{ content }`. */
function tokenName(value: unknown): string | undefined {
  if (typeof value === "string") return value;
  if (typeof value === "object" && value !== null && typeof (value as Json).content === "string") return (value as Json).content as string;
  return undefined;
}

/** `chat_template` is Jinja source, or a list of named ones of which `default` is meant. */
function chatTemplateOf(value: unknown): string | undefined {
  if (typeof value === "string") return value;
  if (!Array.isArray(value)) return undefined;
  const named = value as { name?: unknown; template?: unknown }[];
  const chosen = named.find((each) => each.name === "default") ?? named[0];
  return typeof chosen?.template === "string" ? chosen.template : undefined;
}

/** `false` counts for the classes that rebuild their post-processor from it; others leave what tokenizer.json says. */
function addsBosOf(config: Json): boolean | undefined {
  if (config.add_bos_token === true) return true;
  return config.add_bos_token === false && /^(Code)?(Llama|Gemma)/.test(String(config.tokenizer_class)) ? false : undefined;
}

const idsOf = (value: unknown): number[] => (Array.isArray(value) ? value : [value]).filter((id): id is number => Number.isInteger(id));

/** Reads the tokenizer of a model folder. @throws TokenizerError when `tokenizer.json` is missing or damaged */
export function readHfTokenizer(folder: string): Tokenizer {
  const json = readJson(join(folder, "tokenizer.json"));
  if (json === undefined) {
    const hasSentencePiece = existsSync(join(folder, "tokenizer.model"));
    throw new TokenizerError(
      folder,
      `expected tokenizer.json${hasSentencePiece ? ", found only tokenizer.model (SentencePiece)" : ", found none"}`,
      "Fetch the model's tokenizer.json, or use its GGUF file, which holds the tokenizer.",
    );
  }
  return makeHfTokenizer(folder, json, {
    config: readJson(join(folder, "tokenizer_config.json")) ?? {},
    specialTokensMap: readJson(join(folder, "special_tokens_map.json")) ?? {},
    generationConfig: readJson(join(folder, "generation_config.json")) ?? {},
    modelConfig: readJson(join(folder, "config.json")) ?? {},
    chatTemplate: existsSync(join(folder, "chat_template.jinja")) ? readFileSync(join(folder, "chat_template.jinja"), "utf8") : undefined,
  });
}

export interface HfTokenizerFiles {
  config?: Json;
  specialTokensMap?: Json;
  generationConfig?: Json;
  modelConfig?: Json;
  chatTemplate?: string;
}

/** The same from parsed files, for tokenizers that never lay in a folder. */
export function makeHfTokenizer(source: string, json: Json, files: HfTokenizerFiles = {}): Tokenizer {
  const { config = {}, specialTokensMap = {}, generationConfig = {}, modelConfig = {} } = files;
  const model = json.model as Json | undefined;
  const type = model?.type ?? (Array.isArray(model?.merges) ? "BPE" : undefined);
  if (model === undefined || !["BPE", "Unigram", "WordPiece"].includes(String(type)) || model.vocab === undefined) {
    throw new TokenizerError(
      source,
      `expected tokenizer.json to hold a model of type BPE, Unigram or WordPiece, found ${model === undefined ? "none" : String(type)}`,
      "Check that the file is complete.",
    );
  }
  const full: TokenizerJson = {
    added_tokens: Array.isArray(json.added_tokens) ? (json.added_tokens as TokenizerJson["added_tokens"]) : [],
    normalizer: (json.normalizer as TokenizerJson["normalizer"]) ?? null,
    pre_tokenizer: (json.pre_tokenizer as TokenizerJson["pre_tokenizer"]) ?? null,
    post_processor: (json.post_processor as TokenizerJson["post_processor"]) ?? null,
    decoder: (json.decoder as TokenizerJson["decoder"]) ?? null,
    model: { ...model, type } as TokenizerJson["model"],
  };
  const named = (key: string) => tokenName(config[key]) ?? tokenName(specialTokensMap[key]);
  const eosName = named("eos_token");
  const eosIds = [...idsOf(generationConfig.eos_token_id), ...(eosName === undefined ? idsOf(modelConfig.eos_token_id) : [])];
  const special = full.added_tokens.filter((token) => token.special).map((token) => token.content);
  const known = new Set(full.added_tokens.map((token) => token.content));
  const exists = (name: string | undefined) =>
    name !== undefined && (known.has(name) || (!Array.isArray(model.vocab) && name in (model.vocab as object))) ? name : undefined;
  return new LibraryTokenizer(full, {
    source,
    bos: named("bos_token"),
    eos: endTokens([...(eosName === undefined ? [] : [eosName]), ...eosIds], special),
    pad: exists(named("pad_token")),
    addsBos: addsBosOf(config),
    chatTemplate: files.chatTemplate ?? chatTemplateOf(config.chat_template),
  });
}
