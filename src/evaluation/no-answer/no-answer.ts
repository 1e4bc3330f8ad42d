/**
 * Did the model answer at all? Four ways not to: it ended at once, it wrote nothing but white space or punctuation, or it said that it does not
 * know or that the documents do not say. What is left is an answer, right or wrong.
 *
 * A refusal counts only where it is the point of the answer. "I am not sure, but it is Ottawa" answers, and so does "Canada joined in 1976; the
 * text does not say in which month". "Ottawa is the capital. I do not know who the mayor of Ottawa is" answers too, unless the mayor was what
 * was asked. Words decide: refusals in `refusal-phrases.ts`, the rest in `clauses.ts`.
 */
import { contentWords, coverageOf } from "../../retrieval/content-words.ts";
import { type Clause, clausesOf } from "./clauses.ts";
import { REFUSAL_PATTERNS } from "./refusal-phrases.ts";

export type AnswerKind = "answered" | "refused" | "empty" | "ended at once";

export interface AnswerToClassify {
  readonly text: string;
  /** Of the answer, where known: 0 is a model that ended its answer at once. */
  readonly tokens?: number;
  /** Where known: a refusal that speaks of what was asked outweighs a claim that does not. */
  readonly question?: string;
}

export function classifyAnswer({ text, tokens, question }: AnswerToClassify, patterns: readonly RegExp[] = REFUSAL_PATTERNS): AnswerKind {
  if (tokens === 0) return "ended at once";
  const plain = withoutQuotes(text.normalize("NFKC").toLowerCase().replace(/[‘’`]/gu, "'").trim());
  if (!/[\p{L}\p{N}]/u.test(plain)) return "empty";
  const clauses = clausesOf(plain, patterns);
  const at = clauses.findIndex(({ role }) => role === "refusal");
  if (at < 0) return "answered";
  const before = clauses.slice(0, at).filter(({ role }) => role === "claim");
  if (before.length > 0) return question !== undefined && isAsked(question, clauses[at]!, before) ? "refused" : "answered";
  // Behind a refusal only what turns against it answers; models also ramble on.
  const turned = clauses.slice(at + 1).findIndex(({ turns }) => turns);
  return turned >= 0 && clauses.slice(at + 1 + turned).some(({ role }) => role === "claim") ? "answered" : "refused";
}

/** Does the refusal hold more of the question's words than the claims before it? */
function isAsked(question: string, refusal: Clause, claims: readonly Clause[]): boolean {
  const words = contentWords(question);
  return coverageOf(words, refusal.text) > coverageOf(words, claims.map(({ text }) => text).join("\n"));
}

/** What a sentence quotes is not said by the answer; an answer in quotation marks as a whole is. */
function withoutQuotes(text: string): string {
  const whole = /^(["“「『])([^"“”「」『』]*)(["”」』])[.。]?$/u.exec(text);
  if (whole) return whole[2]!;
  return text.replace(/["“][^"“”]*["”]|「[^「」]*」|『[^『』]*』/gu, "“…”");
}
