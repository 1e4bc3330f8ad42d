/** One debate as `transcript.jsonl` keeps it: every statement, every verdict, every source, and what came out. */
import type { Guard } from "./guard-confidence.ts";
import type { NumberedSource } from "./source-register.ts";

export interface Turn {
  readonly round: number;
  readonly debater: string;
  /** With citations checked: added where a source was leant on, marked where invented. Empty when the call failed. */
  readonly text: string;
  /** Word for word. */
  readonly said: string;
  readonly cited: readonly number[];
  readonly invented: readonly number[];
  readonly added: readonly number[];
  /** Sources that the debater was shown. */
  readonly given: readonly number[];
  /** Sources that did not fit the model's context. */
  readonly leftOut: number;
  readonly promptTokens: number;
  readonly tokens: number;
  readonly seconds: number;
  /** What the model said instead of answering. */
  readonly error?: string;
}

export interface Verdict {
  readonly round: number;
  readonly decision?: "answer" | "continue" | "no-consensus";
  readonly why: string;
  /** Word for word. */
  readonly said: string;
  readonly promptTokens: number;
  readonly tokens: number;
  /** Why the judge could not be followed: the call failed, or its words hold no decision. */
  readonly problem?: string;
}

export interface DebateRecord {
  /** Of debaters, judge, settings, documents and question: what equals it is not debated again. */
  readonly key: string;
  readonly id: string;
  readonly question: string;
  readonly references: readonly string[];
  readonly category?: string;
  readonly answerable?: boolean;
  readonly status: "answered" | "no-consensus" | "failed";
  readonly decidedBy: "judge" | "agreement" | "nobody";
  /** With citations; empty unless answered. */
  readonly answer: string;
  /** 0 to 1, after the guard. */
  readonly confidence: number;
  readonly guard?: Guard;
  /** Of the last round. */
  readonly agreement: number;
  readonly rounds: number;
  readonly turns: readonly Turn[];
  readonly verdicts: readonly Verdict[];
  readonly sources: readonly NumberedSource[];
  readonly seconds: number;
}
