/**
 * No sentence that a model is judged by may stand in what it was trained on. Sentences are compared without case, space and punctuation.
 *
 * - In running text: a held-out sentence of at least 10 Japanese or 18 Latin letters must not occur anywhere, also not inside a longer one.
 *   Shorter ones ("I am tired") are common words of everybody.
 * - In sentence pairs: neither side may equal a held-out sentence, however short, or hold a longer one.
 * - Near copies of the demo's sentences: a pair whose Japanese shares more than 60% of its character pairs with one of them is dropped.
 */
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";

const MIN_JAPANESE = 10;
const MIN_LATIN = 18;
const NEAR = 0.6;
/** Letters by which a place is found; every long sentence has so many. */
const KEY = 10;

export const lettersOf = (text: string): string =>
  text
    .normalize("NFKC")
    .toLowerCase()
    .replace(/[^\p{L}\p{N}]/gu, "");
const isJapanese = (text: string) => /[\p{Script=Han}\p{Script=Hiragana}\p{Script=Katakana}]/u.test(text);

export class LeakCheck {
  readonly #all = new Set<string>();
  /** Long sentences by their first letters. */
  readonly #long = new Map<string, string[]>();
  readonly #near: { pairs: Set<string> }[] = [];
  readonly #byPair = new Map<string, number[]>();

  constructor(sentences: Iterable<string>, demoJapanese: Iterable<string>) {
    for (const sentence of sentences) this.#add(lettersOf(sentence));
    for (const sentence of demoJapanese) {
      this.#add(lettersOf(sentence));
      const pairs = bigrams(lettersOf(sentence));
      for (const pair of pairs) this.#byPair.set(pair, [...(this.#byPair.get(pair) ?? []), this.#near.length]);
      this.#near.push({ pairs });
    }
  }

  get size(): number {
    return this.#all.size;
  }

  /** The held-out sentence that stands somewhere in this text, if any. */
  inText(text: string): string | undefined {
    const letters = lettersOf(text);
    for (let at = 0; at + KEY <= letters.length; at++) {
      const found = this.#long.get(letters.slice(at, at + KEY))?.find((sentence) => letters.startsWith(sentence, at));
      if (found !== undefined) return found;
    }
    return undefined;
  }

  /** The held-out sentence that a pair repeats, holds, or comes near. */
  inPair(ja: string, en: string): string | undefined {
    const [japanese, english] = [lettersOf(ja), lettersOf(en)];
    if (this.#all.has(japanese)) return japanese;
    if (this.#all.has(english)) return english;
    return this.inText(ja) ?? this.inText(en) ?? this.#nearCopy(japanese);
  }

  #add(letters: string): void {
    if (letters === "") return;
    this.#all.add(letters);
    if (letters.length < (isJapanese(letters) ? MIN_JAPANESE : MIN_LATIN)) return;
    const key = letters.slice(0, KEY);
    this.#long.set(key, [...(this.#long.get(key) ?? []), letters]);
  }

  /** Jaccard's measure over character pairs, through an index of the pairs. */
  #nearCopy(letters: string): string | undefined {
    const pairs = bigrams(letters);
    const shared = new Map<number, number>();
    for (const pair of pairs) for (const index of this.#byPair.get(pair) ?? []) shared.set(index, (shared.get(index) ?? 0) + 1);
    for (const [index, count] of shared) {
      const either = pairs.size + this.#near[index]!.pairs.size - count;
      if (count / either > NEAR) return `near copy of demo sentence ${index + 1}`;
    }
    return undefined;
  }
}

function bigrams(letters: string): Set<string> {
  const pairs = new Set<string>();
  for (let i = 0; i + 1 < letters.length; i++) pairs.add(letters.slice(i, i + 2));
  return pairs;
}

/** Everything that models are judged by: both translation sets, both question sets with their contexts' sentences, the demo's held-out rows. */
export function openLeakCheck(dataFolder: string, demoFiles: readonly string[]): LeakCheck {
  const sentences: string[] = [];
  for (const name of ["valid", "test"]) {
    const path = join(dataFolder, "translation", `${name}.tsv`);
    sentences.push(...readFileSync(path, "utf8").split(/[\n\t]/));
  }
  for (const name of ["squad-v2-dev-half", "jaquad-dev"]) {
    const { data } = JSON.parse(readFileSync(join(dataFolder, "qa", `${name}.json`), "utf8")) as QuestionFile;
    for (const { paragraphs } of data) {
      for (const { context, qas } of paragraphs) {
        sentences.push(...context.split(/(?<=[。．！？\n])|(?<=[.!?])\s/u), ...qas.map(({ question }) => question));
      }
    }
  }
  const demo: string[] = [];
  for (const file of demoFiles.filter((path) => existsSync(path))) {
    for (const line of readFileSync(file, "utf8").split("\n").filter(Boolean)) {
      const { input, output } = JSON.parse(line) as { input: string; output: string };
      demo.push(input);
      sentences.push(output);
    }
  }
  return new LeakCheck(sentences, demo);
}

interface QuestionFile {
  readonly data: readonly { paragraphs: readonly { context: string; qas: readonly { question: string }[] }[] }[];
}
