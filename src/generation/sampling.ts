/** How the next token is drawn. The order is the kernel's: repetition penalty, temperature, top-k, top-p, min-p, one draw. */
export interface SamplingSettings {
  /** 0 is greedy: always the most likely token. */
  readonly temperature: number;
  /** Only the k most likely tokens; 0 is off. */
  readonly topK: number;
  /** The smallest set of tokens with this share of the probability; 1 is off. */
  readonly topP: number;
  /** Tokens at least this share as likely as the likeliest; 0 is off. */
  readonly minP: number;
  /** Divides the positive scores of tokens that already stand in the text; 1 is off. */
  readonly repetitionPenalty: number;
  /** The draw is a function of this and the token's index alone. */
  readonly seed: number;
}

export const GREEDY: SamplingSettings = { temperature: 0, topK: 0, topP: 1, minP: 0, repetitionPenalty: 1, seed: 0 };
