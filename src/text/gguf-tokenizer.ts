/**
 * The tokenizer inside a GGUF file: its metadata is turned into the equivalent `tokenizer.json`, then read by the one path for all.
 *
 * Two kinds are language models of ours. `gpt2` is byte-level BPE whose merges are stored and whose split pattern has a name. `llama` is
 * SentencePiece BPE: pieces with scores and no merges, so each piece gives the pairs that build it, the highest score first.
 *
 * @see ggml-org/ggml `docs/gguf.md`, section tokenizer
 */
import { TokenizerError } from "../errors/tokenizer-error.ts";
import { endTokens } from "./end-tokens.ts";
import { GGUF_PRE_TOKENIZERS } from "./gguf-pre-tokenizers.ts";
import { LibraryTokenizer } from "./library-tokenizer.ts";
import { sentencePieceMerges } from "./sentence-piece-merges.ts";
import type { Tokenizer } from "./tokenizer.ts";
import type { AddedTokenJson, ComponentJson, TokenizerConventions, TokenizerJson } from "./tokenizer-json.ts";

/** GGUF metadata by key, as a map or a plain object; 64-bit numbers may be bigint, lists may be typed arrays. */
export type GgufMetadata = ReadonlyMap<string, unknown> | Readonly<Record<string, unknown>>;

/** `tokenizer.ggml.token_type`. */
const TOKEN_TYPE = { unknown: 2, control: 3, userDefined: 4 } as const;

/**
 * Phi-3's role tokens swallow the white space after them, a property that GGUF cannot store.
 *
 * @see microsoft/Phi-3-medium-4k-instruct `tokenizer.json`, field `rstrip`; ggml-org/llama.cpp `llama-vocab.cpp` does the same by name
 */
const PHI3_KEEPS_SPACE: ReadonlySet<string> = new Set(["<unk>", "<s>", "<|endoftext|>"]);

/** The tokenizer in a GGUF file's metadata. `source` is the file, for errors. @throws TokenizerError */
export function readGgufTokenizer(metadata: GgufMetadata, source: string): Tokenizer {
  const { json, conventions } = ggufTokenizerJson(metadata, source);
  return new LibraryTokenizer(json, conventions);
}

/** The `tokenizer.json` that says the same, and what stands beside it. @throws TokenizerError */
export function ggufTokenizerJson(metadata: GgufMetadata, source: string): { json: TokenizerJson; conventions: TokenizerConventions } {
  const get = (key: string): unknown => (metadata instanceof Map ? metadata.get(key) : (metadata as Record<string, unknown>)[key]);
  const number = (key: string): number | undefined => {
    const value = get(`tokenizer.ggml.${key}`);
    return typeof value === "number" || typeof value === "bigint" ? Number(value) : undefined;
  };
  const boolean = (key: string): boolean | undefined => {
    const value = get(`tokenizer.ggml.${key}`);
    return typeof value === "boolean" ? value : undefined;
  };
  const list = (key: string): ArrayLike<unknown> | undefined => {
    const value = get(`tokenizer.ggml.${key}`);
    return Array.isArray(value) || ArrayBuffer.isView(value) ? (value as unknown as ArrayLike<unknown>) : undefined;
  };
  const kind = get("tokenizer.ggml.model");
  const tokens = list("tokens");
  if (kind === undefined || tokens === undefined || tokens.length === 0) {
    throw new TokenizerError(
      source,
      `expected tokenizer.ggml.model and tokenizer.ggml.tokens in the file's metadata, found no ${kind === undefined ? "model" : "tokens"}`,
      "Use a GGUF file that holds its tokenizer.",
    );
  }
  const names = Array.from(tokens, (token) => String(token));
  const added = ggufAddedTokens(names, list("token_type"));
  if (kind === "llama" && get("general.architecture") === "phi3")
    for (const token of added) token.rstrip = !PHI3_KEEPS_SPACE.has(token.content);
  const prefixSpace = boolean("add_space_prefix") ?? kind === "llama";
  const unknown = number("unknown_token_id");
  const json =
    kind === "gpt2"
      ? byteLevelJson(names, added, list("merges"), String(get("tokenizer.ggml.pre") ?? "default"), prefixSpace, source)
      : kind === "llama"
        ? sentencePieceJson(names, added, list("scores"), unknown, prefixSpace, source)
        : undefined;
  if (json === undefined) {
    throw new TokenizerError(
      source,
      `expected tokenizer.ggml.model "gpt2" (byte-level BPE) or "llama" (SentencePiece), found ${JSON.stringify(kind)}`,
      "Use the model's Hugging Face folder, whose tokenizer.json remora can read.",
    );
  }
  const bos = number("bos_token_id");
  const declared = [number("eos_token_id"), number("eot_token_id"), number("eom_token_id")].filter((id) => id !== undefined);
  const template = get("tokenizer.chat_template");
  const conventions: TokenizerConventions = {
    source,
    bos,
    eos: endTokens(
      declared,
      added.filter((token) => token.special).map((token) => token.content),
    ),
    pad: number("padding_token_id"),
    addsBos: boolean("add_bos_token") ?? (kind === "llama" && bos !== undefined),
    chatTemplate: typeof template === "string" ? template : undefined,
  };
  return { json, conventions };
}

/** Control and unknown tokens are special; user-defined ones are matched in any text. */
export function ggufAddedTokens(names: readonly string[], types: ArrayLike<unknown> | undefined): AddedTokenJson[] {
  const added: AddedTokenJson[] = [];
  for (let id = 0; id < names.length && types !== undefined; id++) {
    const type = Number(types[id]);
    const special = type === TOKEN_TYPE.control || type === TOKEN_TYPE.unknown;
    if (special || type === TOKEN_TYPE.userDefined) added.push({ id, content: names[id]!, special, normalized: false });
  }
  return added;
}

/** Ids by name; where a name stands twice the first one counts. */
const vocabularyOf = (names: readonly string[]): Map<string, number> => {
  const vocabulary = new Map<string, number>();
  for (let id = 0; id < names.length; id++) if (!vocabulary.has(names[id]!)) vocabulary.set(names[id]!, id);
  return vocabulary;
};

function byteLevelJson(
  names: readonly string[],
  added: AddedTokenJson[],
  merges: ArrayLike<unknown> | undefined,
  pre: string,
  prefixSpace: boolean,
  source: string,
): TokenizerJson {
  if (merges === undefined) {
    throw new TokenizerError(source, "expected tokenizer.ggml.merges, found none", "Use a GGUF file that holds its whole tokenizer.");
  }
  const family = GGUF_PRE_TOKENIZERS.get(pre);
  if (family === undefined) {
    throw new TokenizerError(
      source,
      `expected a pre-tokenizer name that remora knows in tokenizer.ggml.pre, found ${JSON.stringify(pre)}`,
      "Use the model's Hugging Face folder, whose tokenizer.json states the pattern itself.",
    );
  }
  const split = (pattern: string): ComponentJson => ({ type: "Split", pattern: { Regex: pattern }, behavior: "Isolated", invert: false });
  const bytes: ComponentJson = { type: "ByteLevel", add_prefix_space: prefixSpace, trim_offsets: true, use_regex: false };
  return {
    added_tokens: added,
    normalizer: null,
    pre_tokenizer: { type: "Sequence", pretokenizers: [...family.patterns.map(split), bytes] },
    post_processor: null,
    decoder: { type: "ByteLevel" },
    model: {
      type: "BPE",
      vocab: vocabularyOf(names),
      merges: Array.from(merges, (merge) => String(merge)),
      ignore_merges: family.ignoreMerges ?? false,
    },
  };
}

function sentencePieceJson(
  names: readonly string[],
  added: AddedTokenJson[],
  scores: ArrayLike<unknown> | undefined,
  unknown: number | undefined,
  prefixSpace: boolean,
  source: string,
): TokenizerJson {
  if (scores === undefined || scores.length !== names.length) {
    throw new TokenizerError(source, `expected ${names.length} numbers in tokenizer.ggml.scores, found ${scores?.length ?? "none"}`);
  }
  const replaceSpace: ComponentJson = { type: "Replace", pattern: { String: " " }, content: "▁" };
  const decoders: ComponentJson[] = [
    { type: "Replace", pattern: { String: "▁" }, content: " " },
    { type: "ByteFallback" },
    { type: "Fuse" },
    ...(prefixSpace ? [{ type: "Strip", content: " ", start: 1, stop: 0 }] : []),
  ];
  const special = new Set(added.filter((token) => token.special).map((token) => token.id));
  const vocab = vocabularyOf(names);
  return {
    added_tokens: added,
    normalizer: prefixSpace ? { type: "Sequence", normalizers: [{ type: "Prepend", prepend: "▁" }, replaceSpace] } : replaceSpace,
    pre_tokenizer: null,
    post_processor: null,
    decoder: { type: "Sequence", decoders },
    model: {
      type: "BPE",
      vocab,
      merges: sentencePieceMerges(vocab, scores, special),
      byte_fallback: true,
      fuse_unk: true,
      unk_token: unknown === undefined ? null : (names[unknown] ?? null),
    },
  };
}
