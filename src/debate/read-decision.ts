/**
 * A judge's words → a decision: strict JSON, plain lines, or a statement said again, which small models do instead of deciding. Undefined when none
 * can be read, so that the judge is named and not guessed.
 */
import { likenessOf } from "./agreement.ts";
import { withoutCitations } from "./check-citations.ts";

export interface Decision {
  readonly decision: "answer" | "continue" | "no-consensus";
  /** With its citations; empty unless the decision is an answer. */
  readonly answer: string;
  /** 0 to 1; undefined when the judge gave none. */
  readonly confidence: number | undefined;
  readonly why: string;
}

/** Likeness from which on the judge's words say a statement again. */
const SAID_AGAIN = 0.8;

/** @param statements what was judged */
export function readDecision(said: string, canContinue: boolean, statements: readonly string[] = []): Decision | undefined {
  for (const candidate of said.match(/\{[^{}]*\}/gu) ?? []) {
    const fields = parseObject(candidate);
    const decision = fields && decisionOf(fields.decision);
    if (!fields || !decision) continue;
    return usable(
      { decision, answer: textOf(fields.answer), confidence: confidenceOf(fields.confidence), why: textOf(fields.why) },
      canContinue,
    );
  }
  const line = (name: string) => new RegExp(`^\\W*${name}\\W*[:：]\\s*(.+)$`, "imu").exec(said)?.[1]?.trim();
  const decision = decisionOf(line("decision") ?? (/^\W*(no[\s-]?consensus|continue)\W*$/iu.exec(said.trim())?.[1] || undefined));
  if (!decision) return saidAgain(said, statements);
  return usable(
    { decision, answer: line("answer") ?? "", confidence: confidenceOf(line("confidence")), why: line("why") ?? "" },
    canContinue,
  );
}

function saidAgain(said: string, statements: readonly string[]): Decision | undefined {
  const words = withoutCitations(said.split("\n")[0]!);
  if (!/[\p{L}\p{N}]/u.test(words)) return undefined;
  const likeness = statements.map((statement) => likenessOf(words, withoutCitations(statement)));
  const best = Math.max(0, ...likeness);
  const [chosen] = likeness.flatMap((each, index) => (each === best ? [statements[index]!] : []));
  if (chosen === undefined || best < SAID_AGAIN) return undefined;
  return { decision: "answer", answer: chosen, confidence: undefined, why: "it named no decision, but said a statement again" };
}

function usable(decision: Decision, canContinue: boolean): Decision | undefined {
  if (decision.decision === "continue" && !canContinue) return undefined;
  // A model that copies the form back has decided nothing.
  if (decision.decision === "answer" && !/[\p{L}\p{N}]/u.test(decision.answer)) return undefined;
  if (/^(?:your answer|in a sentence|the answer)\W*$/iu.test(decision.answer)) return undefined;
  return decision.decision === "answer" ? decision : { ...decision, answer: "" };
}

function parseObject(text: string): Record<string, unknown> | undefined {
  try {
    return JSON.parse(text) as Record<string, unknown>;
  } catch {
    return undefined;
  }
}

function decisionOf(value: unknown): Decision["decision"] | undefined {
  const word =
    typeof value === "string"
      ? value
          .trim()
          .toLowerCase()
          .replace(/[\s_]+/g, "-")
          .replace(/[."']/g, "")
      : "";
  return word === "answer" || word === "continue" || word === "no-consensus" ? word : undefined;
}

function confidenceOf(value: unknown): number | undefined {
  const text = typeof value === "number" ? String(value) : typeof value === "string" ? value.trim() : "";
  const [, digits, percent] = /^(\d+(?:\.\d+)?)\s*(%?)/.exec(text) ?? [];
  if (digits === undefined) return undefined;
  const number = percent ? Number(digits) / 100 : Number(digits);
  return number >= 0 && number <= 1 ? number : undefined;
}

const textOf = (value: unknown): string => (typeof value === "string" || typeof value === "number" ? String(value).trim() : "");
