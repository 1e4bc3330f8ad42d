/** How the tokens of a text are counted: by the embedder's tokenizer, or, where there is none, by a rule of thumb. */

export interface TokenCounter {
  /** Kept in the index: another counter cuts other chunks. */
  readonly name: string;
  count(texts: readonly string[]): Promise<number[]> | number[];
}

/** Han, kana and Hangul; runs of other letters and digits; anything else that shows. */
const UNITS = /[\p{sc=Han}\p{sc=Hiragana}\p{sc=Katakana}\p{sc=Hangul}ー]|[\p{L}\p{N}\p{M}]+|[^\s]/gu;
const EAST_ASIAN = /^[\p{sc=Han}\p{sc=Hiragana}\p{sc=Katakana}\p{sc=Hangul}ー]/u;
/** Letters of a word that one token covers, in the vocabularies of 32 to 260 thousand tokens that are common. */
const LETTERS_PER_TOKEN = 5;

/**
 * One token a Japanese, Chinese or Korean character, one for every five letters of another word, one for each sign. Rather too many than too few:
 * a chunk must not be cut off by the encoder.
 */
export const ruleOfThumb: TokenCounter = {
  name: "rule of thumb",
  count: (texts) =>
    texts.map((text) => {
      let tokens = 0;
      for (const [unit] of text.matchAll(UNITS)) tokens += EAST_ASIAN.test(unit) ? 1 : Math.ceil(unit.length / LETTERS_PER_TOKEN);
      return tokens;
    }),
};
