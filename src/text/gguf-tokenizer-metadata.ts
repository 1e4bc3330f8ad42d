/**
 * A Hugging Face tokenizer as GGUF metadata: the way back of `gguf-tokenizer.ts`.
 *
 * Byte-level BPE keeps its merges, and its split patterns become the name that llama.cpp knows them by; a pattern without a name is refused, because
 * a wrong one gives plausible ids and a quietly worse model. SentencePiece-like BPE keeps a score a piece instead of merges: the rank of the first
 * merge that makes it, which is where the merges came from.
 */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { TokenizerError } from "../errors/tokenizer-error.ts";
import { GGUF_PRE_TOKENIZERS } from "./gguf-pre-tokenizers.ts";
import type { Tokenizer } from "./tokenizer.ts";
import { type BpeJson, type ComponentJson, flattenComponent, GPT2_PATTERN, type TokenizerJson } from "./tokenizer-json.ts";

/** `tokenizer.ggml.token_type`. */
const TOKEN_TYPE = { normal: 1, unknown: 2, control: 3, userDefined: 4, unused: 5, byte: 6 } as const;

export interface GgufTokenizer {
  readonly model: "gpt2" | "llama";
  readonly pre: string;
  readonly tokens: readonly string[];
  readonly tokenTypes: Int32Array;
  /** `gpt2` only. */
  readonly merges?: readonly string[];
  /** `llama` only. */
  readonly scores?: Float32Array;
  readonly unknownId?: number;
  readonly addsSpacePrefix: boolean;
}

/** @param rows rows of the embedding; ids that the tokenizer lacks are filled with unused tokens @throws TokenizerError */
export function describeTokenizerForGguf(folder: string, tokenizer: Tokenizer, rows: number): GgufTokenizer {
  const json = JSON.parse(readFileSync(join(folder, "tokenizer.json"), "utf8")) as TokenizerJson;
  const { model } = json;
  if (model.type !== undefined && model.type !== "BPE")
    throw refuse(folder, `expected a tokenizer of type BPE, which is what remora writes into GGUF files, found ${model.type}`);
  const bpe = model as BpeJson;
  const decoders = flattenComponent(json.decoder);
  const isByteLevel =
    decoders.some(({ type }) => type === "ByteLevel") || flattenComponent(json.pre_tokenizer).some(({ type }) => type === "ByteLevel");
  const shared = { tokens: tokenNames(tokenizer, rows), tokenTypes: tokenTypes(json, tokenizer, rows, bpe.byte_fallback === true) };
  const unknownId = bpe.unk_token == null ? undefined : tokenizer.idOf(bpe.unk_token);
  if (isByteLevel) {
    const merges = mergePairs(bpe).map(([left, right]) => `${left} ${right}`);
    return { ...shared, model: "gpt2", pre: preTokenizerName(json, bpe, folder), merges, unknownId, addsSpacePrefix: addsSpace(json) };
  }
  if (bpe.byte_fallback !== true) throw refuse(folder, "expected a byte-level tokenizer, or one that falls back to bytes, found neither");
  return {
    ...shared,
    model: "llama",
    pre: "default",
    scores: pieceScores(bpe, tokenizer, rows),
    unknownId,
    addsSpacePrefix: addsSpace(json),
  };
}

function tokenNames(tokenizer: Tokenizer, rows: number): string[] {
  return Array.from({ length: rows }, (_, id) => tokenizer.tokenOf(id) ?? `[PAD${id}]`);
}

function tokenTypes(json: TokenizerJson, tokenizer: Tokenizer, rows: number, byteFallback: boolean): Int32Array {
  const types = new Int32Array(rows);
  const added = new Map(json.added_tokens.map((token) => [token.id, token]));
  const unknown = (json.model as BpeJson).unk_token;
  for (let id = 0; id < rows; id++) {
    const name = tokenizer.tokenOf(id);
    const token = added.get(id);
    if (name === undefined) types[id] = TOKEN_TYPE.unused;
    else if (byteFallback && name === unknown) types[id] = TOKEN_TYPE.unknown;
    else if (token) types[id] = token.special ? TOKEN_TYPE.control : TOKEN_TYPE.userDefined;
    else types[id] = byteFallback && /^<0x[0-9A-F]{2}>$/.test(name) ? TOKEN_TYPE.byte : TOKEN_TYPE.normal;
  }
  return types;
}

function mergePairs({ merges }: BpeJson): (readonly [string, string])[] {
  if (merges instanceof Int32Array) throw new TypeError("merges by id exist in memory only");
  return merges.map((merge) => {
    if (typeof merge !== "string") return merge;
    const space = merge.indexOf(" ", 1);
    return [merge.slice(0, space), merge.slice(space + 1)];
  });
}

function pieceScores(bpe: BpeJson, tokenizer: Tokenizer, rows: number): Float32Array {
  // Pieces that no merge makes are never looked for; they sort behind all others.
  const pairs = mergePairs(bpe);
  const scores = new Float32Array(rows).fill(-pairs.length - 1);
  const seen = new Set<number>();
  let rank = 0;
  for (const [left, right] of pairs) {
    const id = tokenizer.idOf(left + right);
    if (id === undefined || seen.has(id)) continue;
    seen.add(id);
    scores[id] = -rank++;
  }
  return scores;
}

/** A space (or `▁`) is put before the first word. */
function addsSpace(json: TokenizerJson): boolean {
  const parts = [...flattenComponent(json.normalizer), ...flattenComponent(json.pre_tokenizer)];
  return parts.some(
    (part) =>
      part.type === "Prepend" ||
      (part.type === "Metaspace" && part.prepend_scheme !== "never" && part.add_prefix_space !== false) ||
      (part.type === "ByteLevel" && part.add_prefix_space === true),
  );
}

/** llama.cpp's own spelling where our table lists several for one family. */
const CANONICAL: Readonly<Record<string, string>> = { llama3: "llama-bpe" };

function preTokenizerName(json: TokenizerJson, bpe: BpeJson, folder: string): string {
  if (json.normalizer !== null && json.normalizer !== undefined && flattenComponent(json.normalizer).some(({ type }) => type !== "NFC"))
    throw refuse(folder, "expected no normalizer (llama.cpp has none for byte-level tokenizers), found one");
  const patterns = splitPatterns(json.pre_tokenizer);
  const ignoreMerges = bpe.ignore_merges === true;
  for (const [name, family] of GGUF_PRE_TOKENIZERS) {
    if (patterns?.length === family.patterns.length && patterns.every((pattern, i) => pattern === family.patterns[i])) {
      if ((family.ignoreMerges ?? false) === ignoreMerges) return CANONICAL[name] ?? name;
    }
  }
  throw refuse(
    folder,
    `expected a way to cut words that llama.cpp has a name for, found ${JSON.stringify(patterns ?? json.pre_tokenizer)}`,
  );
}

/** The regular expressions that cut text, in order; undefined when something else cuts. */
function splitPatterns(component: ComponentJson | null): string[] | undefined {
  const patterns: string[] = [];
  for (const part of flattenComponent(component)) {
    if (part.type === "ByteLevel") {
      if (part.use_regex !== false) patterns.push(GPT2_PATTERN);
    } else if (part.type === "Digits") patterns.push(part.individual_digits === true ? "\\p{N}" : "\\p{N}+");
    else if (part.type === "Split" && part.invert !== true) {
      const regex = (part.pattern as { Regex?: string } | undefined)?.Regex;
      if (regex === undefined) return undefined;
      patterns.push(regex);
    } else return undefined;
  }
  return patterns;
}

const refuse = (folder: string, problem: string): TokenizerError =>
  new TokenizerError(folder, problem, "Save the model as 16bit or nf4: those keep the tokenizer's own file.");
