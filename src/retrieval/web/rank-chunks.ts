/**
 * Chunks of a few pages in the order of a question, in memory: BM25 over the question's content words, as the index does it on disk.
 * Source: Robertson & Zaragoza 2009, doi:10.1561/1500000019, with k1 = 1.2 and b = 0.75.
 */
import { contentWords, stemOf } from "../content-words.ts";

const K1 = 1.2;
const B = 0.75;
const EAST_ASIAN = /[\u3040-\u30ff\u3400-\u9fff]/;

/** @returns a score a text, 0 where no word of the question stands in it */
export function bm25(question: string, texts: readonly string[]): number[] {
  const words = contentWords(question);
  const plain = texts.map((text) => text.normalize("NFKC").toLowerCase());
  const stems = plain.map((text) => text.split(/[^\p{L}\p{N}\p{M}']+/u).map(stemOf));
  const meanLength = plain.reduce((sum, text) => sum + text.length, 0) / Math.max(1, plain.length);
  const scores = new Array<number>(texts.length).fill(0);
  for (const word of words) {
    const isEastAsian = EAST_ASIAN.test(word);
    const stem = stemOf(word);
    const counts = plain.map((text, index) =>
      isEastAsian ? text.split(word).length - 1 : stems[index]!.reduce((count, each) => count + Number(each === stem), 0),
    );
    const holding = counts.filter((count) => count > 0).length;
    const rarity = Math.log(1 + (texts.length - holding + 0.5) / (holding + 0.5));
    for (const [index, count] of counts.entries()) {
      const length = K1 * (1 - B + (B * plain[index]!.length) / Math.max(1, meanLength));
      scores[index]! += (rarity * count * (K1 + 1)) / (count + length);
    }
  }
  return scores;
}
