/** One answer's figures: how right, how grounded, in which language, how long, how often it says the same. Each stands in a file of its own. */

import { type AnswerKind, classifyAnswer } from "../no-answer/no-answer.ts";
import { type AnswerLanguage, answerLanguage } from "../scores/answer-language.ts";
import { answerUnits } from "../scores/answer-units.ts";
import { chrF } from "../scores/chrf.ts";
import { exactMatch, unitF1 } from "../scores/exact-and-f1.ts";
import { groundedness } from "../scores/groundedness.ts";
import { repetition } from "../scores/repetition.ts";
import { rougeL } from "../scores/rouge-l.ts";
import type { AnswerRecord } from "./answer-record.ts";
import type { Question } from "./questions.ts";

export interface AnswerScores {
  readonly kind: AnswerKind;
  /** 0 to 1 each; absent where there is nothing to compare with. */
  readonly exact?: number;
  readonly f1?: number;
  readonly rougeL?: number;
  readonly chrF?: number;
  /** Cosine of answer and reference as an encoder sees them. */
  readonly similarity?: number;
  readonly groundedness?: number;
  readonly unsupportedNumbers?: readonly string[];
  readonly language: AnswerLanguage;
  /** In the question's language; absent when either has none. */
  readonly sameLanguage?: number;
  /** Words, or characters in Japanese. */
  readonly units: number;
  readonly repetition: number;
  readonly seconds: number;
  readonly tokensPerSecond?: number;
  /** In US dollars, where a price is known. */
  readonly cost?: number;
}

export interface KindOptions {
  /** Refusals, instead of the built-in ones. */
  readonly patterns?: readonly RegExp[];
  /** Whether it answers, as a judge sees it: outweighs the patterns. */
  readonly answers?: boolean;
}

export function scoreAnswer(question: Question, answer: AnswerRecord, { patterns, answers }: KindOptions = {}): AnswerScores {
  const { text } = answer;
  const told = classifyAnswer({ text, tokens: answer.tokens, question: question.question }, patterns);
  const language = answerLanguage(text);
  const { references } = question;
  const passages = answer.sources?.map((source) => source.text) ?? [];
  const grounded = groundedness(text, passages);
  const known = (language: AnswerLanguage) => language !== "none" && language !== "other";
  return {
    kind: answers === undefined ? told : answers ? "answered" : "refused",
    ...(references.length > 0 && {
      exact: exactMatch(text, references),
      f1: unitF1(text, references),
      rougeL: rougeL(text, references),
      chrF: Math.max(...references.map((reference) => chrF([text], [reference]) / 100)),
    }),
    ...(passages.length > 0 && { groundedness: grounded.share, unsupportedNumbers: grounded.unsupportedNumbers }),
    language,
    sameLanguage: known(language) && known(question.language) ? Number(language === question.language) : undefined,
    units: answerUnits(text).length,
    repetition: repetition(text),
    seconds: answer.seconds,
    tokensPerSecond: answer.tokens !== undefined && answer.seconds > 0 ? answer.tokens / answer.seconds : undefined,
    cost: answer.cost,
  };
}
