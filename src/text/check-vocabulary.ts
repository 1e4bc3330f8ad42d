/** A tokenizer must not name ids that the model has no embedding for. More rows than ids are normal: checkpoints pad them. */
import { TokenizerError } from "../errors/tokenizer-error.ts";
import type { Tokenizer } from "./tokenizer.ts";

/** @throws TokenizerError when an id of the tokenizer lies beyond the embedding's rows */
export function checkVocabulary(tokenizer: Tokenizer, embeddingRows: number, source: string): void {
  if (tokenizer.vocabularySize <= embeddingRows) return;
  const first = tokenizer.tokenOf(embeddingRows);
  throw new TokenizerError(
    source,
    `expected at most ${embeddingRows} tokens (the rows of the model's embedding), found ${tokenizer.vocabularySize}` +
      (first === undefined ? "" : `; ${JSON.stringify(first)} with id ${embeddingRows} is the first without a row`),
    "Use the tokenizer that came with this checkpoint.",
  );
}
