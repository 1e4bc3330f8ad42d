/**
 * Byte-pair encoding of one pre-tokenized word, on ids.
 *
 * `@huggingface/tokenizers` normalizes and splits text for us; its own merge loop keys every pair by a JSON string, which costs 930 ms and
 * 150 MB to load Mistral Nemo's 269,443 merges. Here a pair of ids is one number in an open-addressed table: the same ids, a fraction of
 * the memory. Merging is the usual rule: again and again the lowest-ranked adjacent pair, leftmost first.
 *
 * @see Sennrich et al. 2016, arXiv:1508.07909
 */

export type Merges = readonly (string | readonly [string, string])[] | Int32Array;

export interface BpeModelOptions {
  vocabulary: ReadonlyMap<string, number>;
  /** In order of rank: pairs, both halves with a space between, or flat triples of ids (left, right, merged). */
  merges: Merges;
  /** A character outside the vocabulary becomes its bytes `<0xNN>`. */
  byteFallback: boolean;
  /** A word that is itself in the vocabulary is taken whole. */
  ignoreMerges: boolean;
  /** Ids that no ordinary word may become. */
  forbidden: ReadonlySet<number>;
  unknownId: number | undefined;
  /** Several unknown characters in a row become one unknown token. */
  fuseUnknown: boolean;
  /** Applied to a word before it is looked up: the byte alphabet. Words are cached as they come, so it runs once for each. */
  prepare?: (word: string) => string;
}

/** Longer words are merged with a heap, shorter ones by scanning for the lowest rank. */
const SCAN_LIMIT = 48;
const CACHE_WORDS = 65_536;
const CACHE_WORD_LENGTH = 64;

export class BpeModel {
  readonly #vocabulary: ReadonlyMap<string, number>;
  readonly #pairs: PairTable;
  readonly #options: BpeModelOptions;
  readonly #byteIds: Int32Array;
  readonly #cache = new Map<string, readonly number[]>();
  readonly #utf8 = new TextEncoder();

  constructor(options: BpeModelOptions) {
    this.#options = options;
    this.#vocabulary = options.vocabulary;
    this.#pairs = new PairTable(options.vocabulary, options.merges);
    this.#byteIds = Int32Array.from({ length: 256 }, (_, byte) => {
      const name = `<0x${byte.toString(16).toUpperCase().padStart(2, "0")}>`;
      return options.byteFallback ? (options.vocabulary.get(name) ?? -1) : -1;
    });
  }

  /** Ids of one word. The array is shared with the cache: do not change it. */
  encodeWord(word: string): readonly number[] {
    const known = this.#cache.get(word);
    if (known !== undefined) return known;
    const ids = this.#encode(this.#options.prepare === undefined ? word : this.#options.prepare(word));
    if (word.length <= CACHE_WORD_LENGTH) {
      if (this.#cache.size >= CACHE_WORDS) this.#cache.clear();
      this.#cache.set(word, ids);
    }
    return ids;
  }

  #encode(word: string): readonly number[] {
    if (this.#options.ignoreMerges) {
      const whole = this.#vocabulary.get(word);
      if (whole !== undefined && !this.#options.forbidden.has(whole)) return [whole];
    }
    const symbols = this.#symbols(word);
    if (symbols.length < 2) return symbols;
    return symbols.length <= SCAN_LIMIT ? mergeByScan(symbols, this.#pairs) : mergeByHeap(symbols, this.#pairs);
  }

  #symbols(word: string): number[] {
    const ids: number[] = [];
    for (const character of word) {
      const id = this.#vocabulary.get(character);
      if (id !== undefined) {
        ids.push(id);
        continue;
      }
      const bytes = this.#utf8.encode(character);
      if (bytes.every((byte) => this.#byteIds[byte]! >= 0)) {
        for (const byte of bytes) ids.push(this.#byteIds[byte]!);
        continue;
      }
      const { unknownId, fuseUnknown } = this.#options;
      if (unknownId !== undefined && !(fuseUnknown && ids.at(-1) === unknownId)) ids.push(unknownId);
    }
    return ids;
  }
}

/** (left id, right id) → rank and merged id. Open addressing; a key is `left · 2²⁶ + right`, exact in a double. */
class PairTable {
  readonly #keys: Float64Array;
  readonly #ranks: Int32Array;
  readonly #merged: Int32Array;
  readonly #mask: number;

  constructor(vocabulary: ReadonlyMap<string, number>, merges: Merges) {
    const count = merges instanceof Int32Array ? merges.length / 3 : merges.length;
    let size = 16;
    while (size < count * 2) size *= 2;
    this.#mask = size - 1;
    this.#keys = new Float64Array(size).fill(-1);
    this.#ranks = new Int32Array(size);
    this.#merged = new Int32Array(size);
    if (merges instanceof Int32Array) {
      for (let rank = 0; rank < count; rank++) this.#add(merges[rank * 3]!, merges[rank * 3 + 1]!, merges[rank * 3 + 2]!, rank);
      return;
    }
    for (const [rank, merge] of merges.entries()) {
      // "a b" is cut at its only space: in that form neither half may hold one
      const space = typeof merge === "string" ? merge.indexOf(" ", 1) : -1;
      const left = typeof merge === "string" ? merge.slice(0, space) : merge[0];
      const right = typeof merge === "string" ? merge.slice(space + 1) : merge[1];
      const a = vocabulary.get(left);
      const b = vocabulary.get(right);
      const c = vocabulary.get(left + right);
      if (a === undefined || b === undefined || c === undefined) {
        throw new RangeError(
          `merge ${rank} (${JSON.stringify(left)} + ${JSON.stringify(right)}) names a token that is not in the vocabulary`,
        );
      }
      this.#add(a, b, c, rank);
    }
  }

  #add(left: number, right: number, merged: number, rank: number): void {
    const slot = this.find(left, right);
    if (this.#keys[slot] !== -1) return; // a repeated merge keeps its first rank
    this.#keys[slot] = left * 67_108_864 + right;
    this.#ranks[slot] = rank;
    this.#merged[slot] = merged;
  }

  /** The pair's slot, or the free slot where it would stand. */
  find(left: number, right: number): number {
    const key = left * 67_108_864 + right;
    let slot = (Math.imul(left, 0x9e3779b1) ^ Math.imul(right, 0x85ebca6b)) >>> 0;
    slot = (slot ^ (slot >>> 15)) & this.#mask;
    while (this.#keys[slot] !== -1 && this.#keys[slot] !== key) slot = (slot + 1) & this.#mask;
    return slot;
  }

  /** Rank of the pair, or -1. */
  rank(left: number, right: number): number {
    const slot = this.find(left, right);
    return this.#keys[slot] === -1 ? -1 : this.#ranks[slot]!;
  }

  merged(left: number, right: number): number {
    return this.#merged[this.find(left, right)]!;
  }
}

function mergeByScan(ids: number[], pairs: PairTable): number[] {
  const ranks: number[] = [];
  for (let i = 0; i + 1 < ids.length; i++) ranks.push(pairs.rank(ids[i]!, ids[i + 1]!));
  for (;;) {
    let best = -1;
    for (let i = 0; i < ranks.length; i++) if (ranks[i]! >= 0 && (best < 0 || ranks[i]! < ranks[best]!)) best = i;
    if (best < 0) return ids;
    ids[best] = pairs.merged(ids[best]!, ids[best + 1]!);
    ids.splice(best + 1, 1);
    ranks.splice(best, 1);
    if (best > 0) ranks[best - 1] = pairs.rank(ids[best - 1]!, ids[best]!);
    if (best < ranks.length) ranks[best] = pairs.rank(ids[best]!, ids[best + 1]!);
  }
}

/** Linked list of symbols and a heap of candidate pairs; a stale candidate is recognised by its ids. O(n log n). */
function mergeByHeap(ids: number[], pairs: PairTable): number[] {
  const n = ids.length;
  const next = Int32Array.from({ length: n }, (_, i) => (i + 1 < n ? i + 1 : -1));
  const previous = Int32Array.from({ length: n }, (_, i) => i - 1);
  // heap entries: rank, position; compared by rank, then position (leftmost first)
  const heapRank: number[] = [];
  const heapPosition: number[] = [];
  const less = (i: number, j: number) =>
    heapRank[i]! < heapRank[j]! || (heapRank[i] === heapRank[j] && heapPosition[i]! < heapPosition[j]!);
  const swap = (i: number, j: number) => {
    [heapRank[i], heapRank[j]] = [heapRank[j]!, heapRank[i]!];
    [heapPosition[i], heapPosition[j]] = [heapPosition[j]!, heapPosition[i]!];
  };
  const push = (position: number) => {
    if (position < 0 || next[position]! < 0) return;
    const rank = pairs.rank(ids[position]!, ids[next[position]!]!);
    if (rank < 0) return;
    let i = heapRank.push(rank) - 1;
    heapPosition.push(position);
    while (i > 0) {
      const parent = (i - 1) >> 1;
      if (!less(i, parent)) break;
      swap(i, parent);
      i = parent;
    }
  };
  const pop = (): [number, number] => {
    const top: [number, number] = [heapRank[0]!, heapPosition[0]!];
    const last = heapRank.length - 1;
    swap(0, last);
    heapRank.pop();
    heapPosition.pop();
    for (let i = 0; ; ) {
      const left = 2 * i + 1;
      if (left >= last) break;
      const smaller = left + 1 < last && less(left + 1, left) ? left + 1 : left;
      if (!less(smaller, i)) break;
      swap(i, smaller);
      i = smaller;
    }
    return top;
  };
  for (let i = 0; i + 1 < n; i++) push(i);
  while (heapRank.length > 0) {
    const [rank, i] = pop();
    const j = next[i]!;
    if (ids[i] === -1 || j < 0 || pairs.rank(ids[i]!, ids[j]!) !== rank) continue;
    ids[i] = pairs.merged(ids[i]!, ids[j]!);
    ids[j] = -1;
    next[i] = next[j]!;
    if (next[i]! >= 0) previous[next[i]!] = i;
    push(previous[i]!);
    push(i);
  }
  return ids.filter((id) => id !== -1);
}
