/**
 * How often each word of a corpus occurs, words being cut for training (`train-bpe.ts`): at white space, punctuation, digits, and wherever
 * the script changes between kanji, hiragana, katakana and the rest. A space belongs to the word after it.
 */

/** `ー` lengthens vowels in both kana and belongs to no script of its own. */
const TRAINING_WORD =
  /'(?:[sdmt]|ll|ve|re)(?!\p{L})| ?[\p{Script=Han}]+|[\p{Script=Hiragana}ー]+|[\p{Script=Katakana}ー]+| ?(?:(?![\p{Script=Han}\p{Script=Hiragana}\p{Script=Katakana}ー])[\p{L}\p{M}])+|\p{N}| ?[^\s\p{L}\p{M}\p{N}]+|\s*[\r\n]+|\s+(?!\S)|\s+/gu;

/** Words beyond this number make the rarest go: they could hardly change a merge. */
const MAX_WORDS = 6_000_000;

export async function countWords(corpus: AsyncIterable<string> | Iterable<string>): Promise<Map<string, number>> {
  const counts = new Map<string, number>();
  for await (const text of corpus) {
    for (const [word] of text.matchAll(TRAINING_WORD)) counts.set(word, (counts.get(word) ?? 0) + 1);
    if (counts.size > MAX_WORDS) for (const [word, count] of counts) if (count === 1) counts.delete(word);
  }
  return counts;
}
