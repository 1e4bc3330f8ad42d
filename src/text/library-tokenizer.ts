/**
 * A `Tokenizer` from a `tokenizer.json`, read from a file or built in memory from GGUF.
 *
 * One path for every model: added tokens are cut out first, then the library's normalizer and pre-tokenizer run on each stretch of text,
 * then the model: our byte-pair encoding (`bpe-model.ts`), or the library's Unigram and WordPiece. Special tokens are never inside the
 * model's own vocabulary search, so ordinary text cannot become one.
 */
import { Tokenizer as LibraryPipeline } from "@huggingface/tokenizers";
import { TokenizerError } from "../errors/tokenizer-error.ts";
import { BpeModel } from "./bpe-model.ts";
import { toByteAlphabet } from "./byte-alphabet.ts";
import { tokenBytes } from "./token-bytes.ts";
import { TokenSplitter } from "./token-splitter.ts";
import type { DecodeOptions, EncodeOptions, Tokenizer } from "./tokenizer.ts";
import {
  type AddedTokenJson,
  type BpeJson,
  flattenComponent,
  type OtherModelJson,
  type TokenizerConventions,
  type TokenizerJson,
  withoutByteLevel,
  withoutPrefixSpace,
} from "./tokenizer-json.ts";

type Normalize = (text: string) => string;
type PreTokenize = (text: string, sectionIndex: number) => readonly string[];
/** Appends the ids of one pre-tokenized word. */
type EncodeWord = (word: string, ids: number[]) => void;

interface Pipeline {
  normalize: Normalize;
  preTokenize: PreTokenize;
}

/** The library's components of this description; the model is a stand-in. */
function buildLibrary(json: TokenizerJson, model: object): LibraryPipeline {
  return new LibraryPipeline({ ...json, added_tokens: [], decoder: null, post_processor: null, model }, {});
}

const EMPTY_MODEL = { type: "BPE", vocab: {}, merges: [] };

function pipeline(json: TokenizerJson): Pipeline {
  const library = buildLibrary(json, EMPTY_MODEL);
  const normalizer = library.normalizer as unknown as Normalize | null;
  const preTokenizer = library.pre_tokenizer as unknown as ((text: string, options: { section_index: number }) => string[]) | null;
  return {
    normalize: normalizer ?? ((text) => text),
    preTokenize: preTokenizer ? (text, sectionIndex) => preTokenizer(text, { section_index: sectionIndex }) : (text) => [text],
  };
}

function bpeEncoder(
  model: BpeJson,
  vocabulary: ReadonlyMap<string, number>,
  special: ReadonlySet<number>,
  prepare: ((word: string) => string) | undefined,
): EncodeWord {
  const bpe = new BpeModel({
    vocabulary,
    merges: model.merges,
    forbidden: special,
    byteFallback: model.byte_fallback ?? false,
    ignoreMerges: model.ignore_merges ?? false,
    unknownId: model.unk_token == null ? undefined : vocabulary.get(model.unk_token),
    fuseUnknown: model.fuse_unk ?? false,
    prepare,
  });
  return (word, ids) => {
    for (const id of bpe.encodeWord(word)) ids.push(id);
  };
}

/** Unigram and WordPiece by the library. A special token's piece is renamed first, or Unigram's search would find it in ordinary text. */
function libraryEncoder(json: TokenizerJson, model: OtherModelJson): EncodeWord {
  const special = new Set(json.added_tokens.filter((token) => token.special && token.id !== model.unk_id).map((token) => token.content));
  const hidden = Array.isArray(model.vocab)
    ? model.vocab.map(([piece, score], id) => [special.has(piece) ? `\u{10ffff}${id}` : piece, score])
    : model.vocab;
  const library = buildLibrary(json, { ...model, vocab: hidden }).model as unknown as {
    (words: string[]): string[];
    tokens_to_ids: Map<string, number>;
    unk_token_id?: number;
  };
  return (word, ids) => {
    for (const token of library([word])) {
      const id = library.tokens_to_ids.get(token) ?? library.unk_token_id;
      if (id !== undefined) ids.push(id);
    }
  };
}

const contentsOf = (tokens: readonly AddedTokenJson[]): Map<string, AddedTokenJson> =>
  new Map(tokens.map((token) => [token.content, token] as const));

export class LibraryTokenizer implements Tokenizer {
  readonly vocabularySize: number;
  readonly bos?: number;
  readonly eos: readonly number[];
  readonly pad?: number;
  readonly addsBos: boolean;
  readonly chatTemplate?: string;
  readonly stripsLeadingSpace: boolean;
  readonly specialTokens: readonly string[];
  readonly #ids = new Map<string, number>();
  readonly #tokens: string[] = [];
  readonly #special = new Map<number, AddedTokenJson>();
  readonly #added = new Map<number, AddedTokenJson>();
  readonly #start: Pipeline;
  readonly #continued: Pipeline;
  readonly #specialSplitter: TokenSplitter;
  readonly #plainSplitter: TokenSplitter;
  readonly #normalizedSplitter: TokenSplitter;
  readonly #encodeWord: EncodeWord;
  readonly #bytesOf: (token: string) => Uint8Array;
  readonly #bytes = new Map<number, Uint8Array>();

  constructor(json: TokenizerJson, conventions: TokenizerConventions) {
    const { source } = conventions;
    this.#readVocabulary(json, source);
    try {
      const byteLevel = json.model.type === "BPE" ? withoutByteLevel(json.pre_tokenizer) : undefined;
      const cutting = byteLevel === undefined ? json : { ...json, pre_tokenizer: byteLevel.cut };
      this.#start = pipeline(cutting);
      this.#continued = pipeline({
        ...cutting,
        normalizer: withoutPrefixSpace(cutting.normalizer),
        pre_tokenizer: withoutPrefixSpace(cutting.pre_tokenizer),
      });
      this.#encodeWord =
        json.model.type === "BPE"
          ? bpeEncoder(json.model, this.#ids, new Set(this.#special.keys()), byteLevel && toByteAlphabet)
          : libraryEncoder(json, json.model);
    } catch (cause) {
      throw new TokenizerError(
        source,
        (cause as Error).message,
        "The tokenizer is damaged or of an unknown kind: fetch the model again, or use another of its files.",
        cause,
      );
    }
    const plain = json.added_tokens.filter((token) => !token.special);
    const isNormalized = (token: AddedTokenJson) => token.normalized ?? !token.special;
    this.#specialSplitter = new TokenSplitter(contentsOf(json.added_tokens.filter((token) => token.special)));
    this.#plainSplitter = new TokenSplitter(contentsOf(plain.filter((token) => !isNormalized(token) || json.normalizer === null)));
    this.#normalizedSplitter = new TokenSplitter(
      json.normalizer === null
        ? new Map()
        : new Map(plain.filter(isNormalized).map((token) => [this.#continued.normalize(token.content), token] as const)),
    );
    const bytes = tokenBytes(json.decoder, source);
    this.#bytesOf = bytes.of;
    this.stripsLeadingSpace = bytes.stripsLeadingSpace;
    this.vocabularySize = this.#tokens.length;
    this.specialTokens = [...this.#special.values()].map((token) => token.content);
    this.bos = this.#resolve(conventions.bos, "begin-of-text", source);
    this.eos = [...new Set(conventions.eos.map((token) => this.#resolve(token, "end-of-text", source)!))];
    this.pad = this.#resolve(conventions.pad, "padding", source);
    this.chatTemplate = conventions.chatTemplate;
    this.addsBos = this.bos !== undefined && (conventions.addsBos ?? this.#postProcessorStartsWith(json, this.bos));
  }

  encode(text: string, options: EncodeOptions = {}): number[] {
    const ids: number[] = [];
    const { special = false, guard, continues = false } = options;
    const pieces = special ? this.#specialSplitter.split(text) : text === "" ? [] : [{ text }];
    pieces.forEach((piece, index) => {
      if (piece.token !== undefined) ids.push(piece.token.id);
      else {
        const plain = guard === undefined ? piece.text : piece.text.replaceAll(guard, "");
        this.#encodePlain(plain, index > 0 || continues, continues && index === 0 ? this.#continued : this.#start, ids);
      }
    });
    return ids;
  }

  decode(ids: ArrayLike<number>, options: DecodeOptions = {}): string {
    const skip = options.skipSpecial ?? true;
    const parts: Uint8Array[] = [];
    for (let i = 0; i < ids.length; i++) if (!(skip && this.#special.has(ids[i]!))) parts.push(this.bytesOf(ids[i]!));
    const text = new TextDecoder("utf-8", { ignoreBOM: true }).decode(Buffer.concat(parts));
    return this.stripsLeadingSpace && text.startsWith(" ") ? text.slice(1) : text;
  }

  idOf(token: string): number | undefined {
    return this.#ids.get(token);
  }

  tokenOf(id: number): string | undefined {
    return this.#tokens[id];
  }

  isSpecial(id: number): boolean {
    return this.#special.has(id);
  }

  bytesOf(id: number): Uint8Array {
    let bytes = this.#bytes.get(id);
    if (bytes === undefined) {
      const special = this.#special.get(id) ?? (this.#added.has(id) && this.#tokens[id]?.includes(" ") ? this.#added.get(id) : undefined);
      const token = this.#tokens[id];
      bytes = special ? new TextEncoder().encode(special.content) : token === undefined ? new Uint8Array() : this.#bytesOf(token);
      this.#bytes.set(id, bytes);
    }
    return bytes;
  }

  #encodePlain(text: string, isLater: boolean, pipeline: Pipeline, ids: number[]): void {
    let section = isLater ? 1 : 0;
    for (const piece of this.#plainSplitter.split(text)) {
      if (piece.token !== undefined) ids.push(piece.token.id);
      else {
        for (const part of this.#normalizedSplitter.split(pipeline.normalize(piece.text))) {
          if (part.token !== undefined) ids.push(part.token.id);
          else for (const word of pipeline.preTokenize(part.text, section)) this.#encodeWord(word, ids);
        }
      }
      section++;
      pipeline = this.#start;
    }
  }

  #readVocabulary(json: TokenizerJson, source: string): void {
    const add = (token: string, id: number) => {
      if (!Number.isInteger(id) || id < 0 || id > 0x3ffffff) {
        throw new TokenizerError(source, `expected a token id from 0 to 67,108,863, found ${id} for ${JSON.stringify(token)}`);
      }
      this.#ids.set(token, id);
      this.#tokens[id] = token;
    };
    const { vocab } = json.model;
    if (Array.isArray(vocab)) {
      for (const [id, [token]] of vocab.entries()) add(token, id);
    } else for (const [token, id] of vocab instanceof Map ? vocab : Object.entries(vocab)) add(token, id);
    for (const token of json.added_tokens) {
      add(token.content, token.id);
      this.#added.set(token.id, token);
      if (token.special) this.#special.set(token.id, token);
    }
  }

  #resolve(token: string | number | undefined, what: string, source: string): number | undefined {
    if (token === undefined) return undefined;
    const id = typeof token === "number" ? token : this.#ids.get(token);
    if (id === undefined || this.#tokens[id] === undefined) {
      throw new TokenizerError(
        source,
        `the ${what} token ${JSON.stringify(token)} is not in the vocabulary of ${this.#tokens.length} tokens`,
        "The special tokens do not belong to this tokenizer: fetch the model again.",
      );
    }
    return id;
  }

  /** True when the tokenizer's own post-processor opens a text with `bos`. */
  #postProcessorStartsWith(json: TokenizerJson, bos: number): boolean {
    return flattenComponent(json.post_processor).some((part) => {
      if (part.type !== "TemplateProcessing" || !Array.isArray(part.single)) return false;
      const first = part.single[0] as { SpecialToken?: { id: string } } | undefined;
      return first?.SpecialToken !== undefined && this.#ids.get(first.SpecialToken.id) === bos;
    });
  }
}
