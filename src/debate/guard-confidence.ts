/**
 * The guard against shared error: models that learnt from the same pages agree on the same mistakes. When the sources do not hold what an answer
 * adds to its question, agreement is no evidence, and the confidence falls.
 */
import { classifyAnswer } from "../evaluation/no-answer/no-answer.ts";
import { groundedness } from "../evaluation/scores/groundedness.ts";
import { withoutCitations } from "./check-citations.ts";
import { withoutQuestion } from "./without-question.ts";

export interface Guard {
  /** 0 to 1. */
  readonly confidence: number;
  /** Share of what the answer adds to the question that some source holds; undefined for an answer that claims nothing, or without sources. */
  readonly support: number | undefined;
  /** Numbers of the answer that no source holds. */
  readonly unsupportedNumbers: readonly string[];
  /** Why the confidence was lowered; undefined when it was not. */
  readonly lowered?: string;
}

/** Below this share the sources do not support the answer. */
const SUPPORTED = 0.5;
/** What agreement alone is worth. */
const UNSUPPORTED_CONFIDENCE = 0.3;

/** @param passages all sources that any debater was given */
export function guardConfidence(
  answer: string,
  question: string,
  passages: readonly string[],
  confidence: number,
  isUnanimous: boolean,
): Guard {
  const plain = withoutCitations(answer);
  // Not knowing claims nothing.
  if (classifyAnswer({ text: plain }) !== "answered") return { confidence, support: undefined, unsupportedNumbers: [] };
  const { share: support, unsupportedNumbers } = groundedness(withoutQuestion(plain, question), passages);
  const reason =
    passages.length === 0
      ? "nobody was given a source"
      : support === undefined || support < SUPPORTED
        ? `the sources hold ${Math.round(100 * (support ?? 0))}% of what the answer adds to the question`
        : unsupportedNumbers.length > 0
          ? `no source holds ${unsupportedNumbers.join(", ")}`
          : undefined;
  if (reason === undefined || confidence <= UNSUPPORTED_CONFIDENCE) return { confidence, support, unsupportedNumbers };
  const lowered = `${isUnanimous ? "all agree, but " : ""}${reason}`;
  return { confidence: UNSUPPORTED_CONFIDENCE, support, unsupportedNumbers, lowered };
}
