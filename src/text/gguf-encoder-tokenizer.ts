/**
 * The tokenizers of encoders in GGUF files, turned into the equivalent `tokenizer.json`: `bert` (WordPiece) and `t5` (SentencePiece Unigram, which
 * XLM-RoBERTa's files use). WordPiece's words stand with `▁` in front there and their continuations bare; `##` is put back.
 *
 * @see ggml-org/llama.cpp `convert_hf_to_gguf.py`, class BertModel
 */
import { TokenizerError } from "../errors/tokenizer-error.ts";
import type { EncoderTokenizer } from "./framed-tokenizer.ts";
import { type GgufMetadata, ggufAddedTokens } from "./gguf-tokenizer.ts";
import { LibraryTokenizer } from "./library-tokenizer.ts";
import type { TokenizerJson } from "./tokenizer-json.ts";

/** @throws TokenizerError */
export function readGgufEncoderTokenizer(metadata: GgufMetadata, source: string): EncoderTokenizer {
  const get = (key: string): unknown => (metadata instanceof Map ? metadata.get(key) : (metadata as Record<string, unknown>)[key]);
  const list = (key: string): ArrayLike<unknown> | undefined => {
    const value = get(`tokenizer.ggml.${key}`);
    return Array.isArray(value) || ArrayBuffer.isView(value) ? (value as unknown as ArrayLike<unknown>) : undefined;
  };
  const id = (...keys: string[]): number | undefined =>
    keys.map((key) => get(`tokenizer.ggml.${key}_token_id`)).find((value) => typeof value === "number") as number | undefined;
  const kind = get("tokenizer.ggml.model");
  const names = Array.from(list("tokens") ?? [], String);
  const added = ggufAddedTokens(names, list("token_type"));
  const unknown = id("unknown");
  let json: TokenizerJson;
  if (kind === "bert") json = wordPieceJson(names, added, names[unknown ?? -1] ?? "[UNK]");
  else if (kind === "t5") json = unigramJson(names, added, list("scores"), unknown, source);
  else {
    throw new TokenizerError(
      source,
      `expected tokenizer.ggml.model "bert" (WordPiece) or "t5" (Unigram), found ${JSON.stringify(kind)}`,
      "Use the encoder's Hugging Face folder, whose tokenizer.json remora can read.",
    );
  }
  const before = id("cls", "bos");
  // llama.cpp's key is misspelt.
  const after = id("seperator", "separator", "eos");
  if (before === undefined || after === undefined) {
    throw new TokenizerError(
      source,
      "expected ids of the tokens around a text (cls, seperator), found none",
      "Use a newer file of the encoder.",
    );
  }
  return { tokenizer: new LibraryTokenizer(json, { source, eos: [], pad: id("padding") }), before: [before], after: [after] };
}

function wordPieceJson(names: readonly string[], added: TokenizerJson["added_tokens"], unknown: string): TokenizerJson {
  const special = new Set(added.map((token) => token.id));
  const vocab: Record<string, number> = {};
  for (const [id, name] of names.entries()) {
    const piece = special.has(id) || /^\[.+\]$/.test(name) ? name : name.startsWith("▁") ? name.slice(1) : `##${name}`;
    vocab[piece] ??= id;
  }
  return {
    added_tokens: added,
    // llama.cpp lowers case and strips accents for every WordPiece file: the files do not say.
    normalizer: { type: "BertNormalizer", clean_text: true, handle_chinese_chars: true, strip_accents: true, lowercase: true },
    pre_tokenizer: { type: "BertPreTokenizer" },
    post_processor: null,
    decoder: { type: "WordPiece", prefix: "##", cleanup: true },
    model: { type: "WordPiece", unk_token: unknown, continuing_subword_prefix: "##", max_input_chars_per_word: 100, vocab },
  };
}

function unigramJson(
  names: readonly string[],
  added: TokenizerJson["added_tokens"],
  scores: ArrayLike<unknown> | undefined,
  unknown: number | undefined,
  source: string,
): TokenizerJson {
  if (scores === undefined || scores.length !== names.length) {
    throw new TokenizerError(source, `expected ${names.length} numbers in tokenizer.ggml.scores, found ${scores?.length ?? "none"}`);
  }
  const metaspace = { type: "Metaspace", replacement: "▁", prepend_scheme: "always", split: true };
  return {
    added_tokens: added,
    normalizer: {
      type: "Sequence",
      normalizers: [
        { type: "Precompiled", precompiled_charsmap: "" },
        { type: "Replace", pattern: { Regex: " {2,}" }, content: " " },
      ],
    },
    pre_tokenizer: { type: "Sequence", pretokenizers: [{ type: "WhitespaceSplit" }, metaspace] },
    post_processor: null,
    decoder: metaspace,
    model: { type: "Unigram", unk_id: unknown ?? 3, vocab: names.map((name, id) => [name, Number(scores[id])] as const) },
  };
}
