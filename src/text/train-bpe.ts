/**
 * Trains a byte-level BPE tokenizer and writes it as a `tokenizer.json` that every other tool reads too.
 *
 * The 256 bytes are the alphabet, so no text is ever unknown. Text is cut twice: encoders cut by `pattern`, one of those that GGUF has a
 * name for (a private one could not be exported), which takes a whole Japanese clause for one word; training cuts finer, where the script
 * changes, so that no merge is learnt over the border of kanji, kana and Latin, and equal words are met often enough to count.
 * Deterministic: of pairs with equal counts the one with the smaller ids wins.
 *
 * @see Sennrich et al. 2016, arXiv:1508.07909; the lazy heap follows from counts that only ever shrink
 */
import { BYTE_CHARACTERS } from "./byte-alphabet.ts";
import { GGUF_PRE_TOKENIZERS } from "./gguf-pre-tokenizers.ts";
import type { TokenizerJson } from "./tokenizer-json.ts";
import { countWords } from "./train-bpe-words.ts";

export interface TrainBpeOptions {
  /** Tokens in all: special tokens, 256 bytes, merges. */
  vocabularySize: number;
  /** Take the first ids, in this order. @default ["<|endoftext|>"] */
  specialTokens?: readonly string[];
  /** Name of the encoder's cutting pattern in GGUF. @default "qwen2" */
  pattern?: string;
  /** A pair seen less often is not merged. @default 2 */
  minFrequency?: number;
  /** Longest token in bytes. Keeps rules of dashes and boiler-plate sentences out of a small vocabulary. @default 36 */
  maxTokenBytes?: number;
  onProgress?: (done: number, total: number) => void;
}

/** @param corpus  texts of any length; each is cut by itself */
export async function trainBpe(corpus: AsyncIterable<string> | Iterable<string>, options: TrainBpeOptions): Promise<TokenizerJson> {
  const { vocabularySize, specialTokens = ["<|endoftext|>"], pattern = "qwen2", minFrequency = 2, maxTokenBytes = 36 } = options;
  const family = GGUF_PRE_TOKENIZERS.get(pattern);
  if (family === undefined)
    throw new RangeError(`expected a pattern's name (${[...GGUF_PRE_TOKENIZERS.keys()].join(", ")}), found ${pattern}`);
  const first = specialTokens.length; // id of byte 0
  const wanted = vocabularySize - first - 256;
  if (wanted < 0) throw new RangeError(`expected a vocabulary of at least ${first + 256} tokens, found ${vocabularySize}`);
  const words = await countWords(corpus);
  const merger = new Merger(words, minFrequency, maxTokenBytes);
  const merges: [number, number][] = [];
  while (merges.length < wanted) {
    const pair = merger.mergeBest(256 + merges.length);
    if (pair === undefined) break;
    merges.push(pair);
    if (merges.length % 256 === 0) options.onProgress?.(merges.length, wanted);
  }
  options.onProgress?.(merges.length, wanted);
  const names: string[] = [...BYTE_CHARACTERS];
  for (const [left, right] of merges) names.push(names[left]! + names[right]!);
  const vocab: Record<string, number> = Object.create(null);
  names.forEach((name, i) => {
    vocab[name] = first + i;
  });
  return {
    version: "1.0",
    added_tokens: specialTokens.map((content, id) => ({
      id,
      content,
      single_word: false,
      lstrip: false,
      rstrip: false,
      normalized: false,
      special: true,
    })),
    normalizer: null,
    pre_tokenizer: {
      type: "Sequence",
      pretokenizers: [
        ...family.patterns.map((regex) => ({ type: "Split", pattern: { Regex: regex }, behavior: "Isolated", invert: false })),
        { type: "ByteLevel", add_prefix_space: false, trim_offsets: false, use_regex: false },
      ],
    },
    post_processor: null,
    decoder: { type: "ByteLevel", add_prefix_space: false, trim_offsets: false, use_regex: false },
    model: {
      type: "BPE",
      vocab,
      merges: merges.map(([left, right]) => [names[left]!, names[right]!] as const),
      byte_fallback: false,
      ignore_merges: false,
      fuse_unk: false,
      unk_token: null,
    },
  };
}

/** Words as chains of ids in one flat array, the count of every adjacent pair, and a heap of the pairs. */
class Merger {
  readonly #symbols: Int32Array;
  readonly #starts: Int32Array;
  readonly #lengths: Int32Array;
  readonly #counts: Float64Array;
  /** Pair → how often it stands in the corpus. */
  readonly #pairCounts = new Map<number, number>();
  /** Pair → words that (may) hold it. */
  readonly #pairWords = new Map<number, number[]>();
  readonly #heap = new PairHeap();
  readonly #bytes: number[] = new Array(256).fill(1);
  readonly #minFrequency: number;
  readonly #maxTokenBytes: number;

  constructor(words: ReadonlyMap<string, number>, minFrequency: number, maxTokenBytes: number) {
    this.#minFrequency = minFrequency;
    this.#maxTokenBytes = maxTokenBytes;
    const utf8 = new TextEncoder();
    const encoded = [...words].filter(([, count]) => count >= 1).map(([word, count]) => ({ bytes: utf8.encode(word), count }));
    this.#starts = new Int32Array(encoded.length);
    this.#lengths = new Int32Array(encoded.length);
    this.#counts = new Float64Array(encoded.length);
    this.#symbols = new Int32Array(encoded.reduce((sum, { bytes }) => sum + bytes.length, 0));
    let at = 0;
    for (const [word, { bytes, count }] of encoded.entries()) {
      this.#symbols.set(bytes, at);
      this.#starts[word] = at;
      this.#lengths[word] = bytes.length;
      this.#counts[word] = count;
      at += bytes.length;
      for (let i = 1; i < bytes.length; i++) this.#count(bytes[i - 1]!, bytes[i]!, count, word);
    }
    for (const [pair, count] of this.#pairCounts) this.#heap.push(pair, count);
  }

  /** Merges the commonest pair into `id`; undefined when no pair is left that is common and short enough. */
  mergeBest(id: number): [number, number] | undefined {
    for (;;) {
      const top = this.#heap.pop();
      if (top === undefined) return undefined;
      const [pair, count] = top;
      const now = this.#pairCounts.get(pair) ?? 0;
      if (now !== count) {
        if (now >= this.#minFrequency) this.#heap.push(pair, now);
        continue;
      }
      if (count < this.#minFrequency) return undefined;
      const left = Math.floor(pair / KEY);
      const right = pair % KEY;
      const bytes = this.#bytes[left]! + this.#bytes[right]!;
      if (bytes > this.#maxTokenBytes) {
        this.#pairCounts.delete(pair);
        this.#pairWords.delete(pair);
        continue;
      }
      this.#bytes[id] = bytes;
      this.#apply(left, right, id, pair);
      return [left, right];
    }
  }

  #apply(left: number, right: number, id: number, pair: number): void {
    const changed = new Set<number>();
    const words = this.#pairWords.get(pair)!;
    this.#pairWords.delete(pair);
    this.#pairCounts.delete(pair);
    let last = -1;
    for (const word of words) {
      if (word === last) continue; // listed twice in a row
      last = word;
      const start = this.#starts[word]!;
      const length = this.#lengths[word]!;
      const count = this.#counts[word]!;
      let write = start;
      for (let read = start; read < start + length; read++) {
        const symbol = this.#symbols[read]!;
        if (symbol !== left || read + 1 >= start + length || this.#symbols[read + 1] !== right) {
          this.#symbols[write++] = symbol;
          continue;
        }
        if (write > start) {
          this.#uncount(this.#symbols[write - 1]!, left, count);
          changed.add(this.#count(this.#symbols[write - 1]!, id, count, word));
        }
        if (read + 2 < start + length) {
          this.#uncount(right, this.#symbols[read + 2]!, count);
          changed.add(this.#count(id, this.#symbols[read + 2]!, count, word));
        }
        this.#symbols[write++] = id;
        read++;
      }
      this.#lengths[word] = write - start;
    }
    for (const key of changed) {
      const count = this.#pairCounts.get(key);
      if (count !== undefined && count >= this.#minFrequency) this.#heap.push(key, count);
    }
  }

  #count(left: number, right: number, count: number, word: number): number {
    const key = left * KEY + right;
    this.#pairCounts.set(key, (this.#pairCounts.get(key) ?? 0) + count);
    const words = this.#pairWords.get(key);
    if (words === undefined) this.#pairWords.set(key, [word]);
    else if (words.at(-1) !== word) words.push(word);
    return key;
  }

  /** The pair's entry in the heap becomes stale and is corrected when it comes up. */
  #uncount(left: number, right: number, count: number): void {
    const key = left * KEY + right;
    const now = this.#pairCounts.get(key);
    if (now !== undefined) this.#pairCounts.set(key, now - count);
  }
}

/** A pair as one number. */
const KEY = 2 ** 24;

/** Highest count first, then the smaller pair. */
class PairHeap {
  readonly #pairs: number[] = [];
  readonly #counts: number[] = [];

  push(pair: number, count: number): void {
    let i = this.#pairs.push(pair) - 1;
    this.#counts.push(count);
    while (i > 0) {
      const parent = (i - 1) >> 1;
      if (!this.#before(i, parent)) break;
      this.#swap(i, parent);
      i = parent;
    }
  }

  pop(): [pair: number, count: number] | undefined {
    if (this.#pairs.length === 0) return undefined;
    this.#swap(0, this.#pairs.length - 1);
    const pair = this.#pairs.pop()!;
    const count = this.#counts.pop()!;
    const n = this.#pairs.length;
    for (let i = 0; ; ) {
      let best = i;
      for (const child of [2 * i + 1, 2 * i + 2]) if (child < n && this.#before(child, best)) best = child;
      if (best === i) return [pair, count];
      this.#swap(i, best);
      i = best;
    }
  }

  #before(i: number, j: number): boolean {
    return this.#counts[i]! > this.#counts[j]! || (this.#counts[i] === this.#counts[j] && this.#pairs[i]! < this.#pairs[j]!);
  }

  #swap(i: number, j: number): void {
    [this.#pairs[i], this.#pairs[j]] = [this.#pairs[j]!, this.#pairs[i]!];
    [this.#counts[i], this.#counts[j]] = [this.#counts[j]!, this.#counts[i]!];
  }
}
