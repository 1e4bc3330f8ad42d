/** One variant's answer to one question, as it is kept in `answers.jsonl`. */
export interface AnswerSource {
  /** As the index names it: file and heading. */
  readonly title: string;
  readonly text: string;
  readonly score?: number;
}

export interface AnswerRecord {
  readonly variant: string;
  readonly id: string;
  readonly text: string;
  readonly finishReason?: string;
  /** Tokens of the answer; absent where a remote model does not say. */
  readonly tokens?: number;
  readonly promptTokens?: number;
  readonly seconds: number;
  readonly cost?: number;
  readonly sources?: readonly AnswerSource[];
  /** Set instead of an answer when the model failed on this question: what it said. */
  readonly error?: string;
}
