/** What becomes of debates: old answers for `remora eval`, and training rows. */
import { classifyAnswer } from "../evaluation/no-answer/no-answer.ts";
import { withoutCitations } from "./check-citations.ts";
import type { DebateRecord } from "./debate-record.ts";

/** A question as `remora eval` reads it, with the debate's answer in the place of the old one. No consensus leaves the old answer out. */
export function evalRow({ id, question, references, category, answerable, answer, status, confidence, sources }: DebateRecord) {
  return {
    id,
    question,
    ...(references.length > 0 && { reference: references }),
    ...(category !== undefined && { category }),
    ...(answerable !== undefined && { answerable }),
    ...(answer !== "" && { old_answer: withoutCitations(answer), old_answer_cited: answer }),
    status,
    confidence,
    sources: sources.map(({ number, label }) => `[${number}] ${label}`),
  };
}

/** Undefined: nothing to learn from it, because there was no consensus or too little confidence in it. */
export function trainingRow({ question, answer, status, confidence }: DebateRecord, minConfidence: number) {
  const output = withoutCitations(answer);
  const isUsable = status === "answered" && confidence >= minConfidence && classifyAnswer({ text: output }) !== "empty";
  return isUsable ? { instruction: question, input: "", output } : undefined;
}
