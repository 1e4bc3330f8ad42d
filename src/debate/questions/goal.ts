/** What questions should serve, and which passages speak to it. */
import type { Passage } from "../../engine/open-passages.ts";
import { bm25 } from "../../retrieval/web/rank-chunks.ts";

export interface Goal {
  /** Category of its questions: `goal A`. */
  readonly name: string;
  /** Undefined: facts of any kind. */
  readonly text?: string;
}

/** `goal A: show that members cooperate` → name and text; without a short name in front, goals are numbered. */
export function parseGoals(given: readonly string[]): Goal[] {
  if (given.length === 0) return [{ name: "fact" }];
  return given.map((text, index) => {
    const [, name, rest] = /^\s*([^:：,，.]{1,24})[:：]\s*(\S.*)$/su.exec(text) ?? [];
    return { name: name?.trim() ?? `goal ${index + 1}`, text: (rest ?? text).trim() };
  });
}

/** Shorter passages hold no fact worth asking for. */
const LEAST_CHARACTERS = 80;
const LEAST_EAST_ASIAN = 30;

/** Those that share most words with the goal first, but one of each document before a second of any. */
export function passagesFor(goal: Goal, passages: readonly Passage[]): Passage[] {
  const usable = passages.filter(
    ({ text }) => text.length >= (/[\u3040-\u30ff\u3400-\u9fff]/.test(text) ? LEAST_EAST_ASIAN : LEAST_CHARACTERS),
  );
  const scores =
    goal.text === undefined
      ? undefined
      : bm25(
          goal.text,
          usable.map(({ text }) => text),
        );
  const ordered = usable.map((passage, index) => ({ passage, score: scores?.[index] ?? 0 })).sort((a, b) => b.score - a.score);
  const rounds = new Map<string, number>();
  const placed = ordered.map(({ passage }, index) => {
    const round = rounds.get(passage.document) ?? 0;
    rounds.set(passage.document, round + 1);
    return { passage, round, index };
  });
  return placed.sort((a, b) => a.round - b.round || a.index - b.index).map(({ passage }) => passage);
}
