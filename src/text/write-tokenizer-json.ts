/** A tokenizer that was built in memory (from GGUF) as the files of a Hugging Face folder. */
import type { Tokenizer } from "./tokenizer.ts";
import type { ComponentJson, TokenizerConventions, TokenizerJson } from "./tokenizer-json.ts";

export interface TokenizerFiles {
  readonly "tokenizer.json": Record<string, unknown>;
  readonly "tokenizer_config.json": Record<string, unknown>;
}

/** @param tokenizer made from the same description, for names of ids */
export function tokenizerFiles(json: TokenizerJson, conventions: TokenizerConventions, tokenizer: Tokenizer): TokenizerFiles {
  const { model } = json;
  const name = (id: number | undefined) => (id === undefined ? undefined : tokenizer.tokenOf(id));
  const vocab = model.vocab instanceof Map ? Object.fromEntries(model.vocab) : model.vocab;
  const merges =
    "merges" in model && model.merges instanceof Int32Array ? pairsOf(model.merges, (id) => tokenizer.tokenOf(id) ?? "") : model.merges;
  const added = json.added_tokens.map((token) => ({
    single_word: false,
    lstrip: false,
    rstrip: false,
    normalized: false,
    special: true,
    ...token,
  }));
  const defaults = { dropout: null, unk_token: null, continuing_subword_prefix: null, end_of_word_suffix: null };
  return {
    "tokenizer.json": {
      version: "1.0",
      truncation: null,
      padding: null,
      ...json,
      added_tokens: added,
      decoder: wholeDecoder(json.decoder),
      post_processor: tokenizer.addsBos && tokenizer.bos !== undefined ? beginsWith(tokenizer.bos, name(tokenizer.bos) ?? "") : null,
      model: { ...defaults, ...model, vocab, merges },
    },
    "tokenizer_config.json": {
      tokenizer_class: "PreTrainedTokenizerFast",
      add_bos_token: tokenizer.addsBos,
      ...(tokenizer.bos === undefined ? {} : { bos_token: name(tokenizer.bos) }),
      ...(tokenizer.eos[0] === undefined ? {} : { eos_token: name(tokenizer.eos[0]) }),
      ...(tokenizer.pad === undefined ? {} : { pad_token: name(tokenizer.pad) }),
      clean_up_tokenization_spaces: false,
      ...(conventions.chatTemplate === undefined ? {} : { chat_template: conventions.chatTemplate }),
    },
  };
}

/** The Rust library wants every field of a byte-level decoder, though it uses none. */
function wholeDecoder(decoder: ComponentJson | null): ComponentJson | null {
  return decoder?.type === "ByteLevel" ? { add_prefix_space: true, trim_offsets: true, use_regex: true, ...decoder } : decoder;
}

/** Left, right, merged, left … → pairs of names. */
function pairsOf(triples: Int32Array, name: (id: number) => string): [string, string][] {
  const pairs: [string, string][] = [];
  for (let i = 0; i < triples.length; i += 3) pairs.push([name(triples[i]!), name(triples[i + 1]!)]);
  return pairs;
}

function beginsWith(id: number, name: string): Record<string, unknown> {
  const special = { SpecialToken: { id: name, type_id: 0 } };
  const text = { Sequence: { id: "A", type_id: 0 } };
  return {
    type: "TemplateProcessing",
    single: [special, text],
    pair: [special, text, { SpecialToken: { id: name, type_id: 1 } }, { Sequence: { id: "B", type_id: 1 } }],
    special_tokens: { [name]: { id: name, ids: [id], tokens: [name] } },
  };
}
