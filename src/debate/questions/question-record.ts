/** What making questions leaves behind: a line of questions.jsonl, a line of rejected.jsonl, report.json; and the events on the way. */
import type { OpenedPassages } from "../../engine/open-passages.ts";
import type { Difficulty } from "./check-question.ts";

/** A line of questions.jsonl: `remora eval` and `remora debate` read question, reference, category, answerable and id. */
export interface QuestionRow {
  readonly id: string;
  readonly question: string;
  readonly reference?: readonly string[];
  readonly category: string;
  readonly answerable: boolean;
  readonly difficulty?: Difficulty;
  /** The passage that answers it; a twin's is the one that does not. Not called passage, or eval would hand it to models. */
  readonly evidence: string;
  readonly source: string;
  /** What the check heard, and how near to the expected answer it was, 0 to 1. */
  readonly check?: { readonly withPassage: CheckedAnswer; readonly without: CheckedAnswer };
  readonly twin?: { readonly of: string; readonly by: "model" | "swap"; readonly changed: readonly string[]; readonly refused: boolean };
}

export interface CheckedAnswer {
  readonly answer: string;
  readonly match: number;
}

/** A line of rejected.jsonl. */
export interface Rejected {
  readonly source: string;
  readonly goal: string;
  readonly reason: string;
  /** What the model wrote, word for word. */
  readonly said?: string;
  readonly question?: string;
  readonly check?: QuestionRow["check"];
}

export type QuestionsEvent =
  | { event: "questions-start"; passages: number; goals: string[]; duplicates: string; failures: OpenedPassages["failures"] }
  | { event: "question-kept"; row: QuestionRow; kept: number; count: number }
  | { event: "question-rejected"; rejected: Rejected };

export interface QuestionsReport {
  readonly files: { readonly questions: string; readonly rejected: string; readonly report: string };
  readonly passages: number;
  readonly tried: number;
  readonly kept: number;
  readonly twins: number;
  /** Kept questions by goal and by difficulty; refusals by reason. */
  readonly byGoal: Readonly<Record<string, number>>;
  readonly byDifficulty: Readonly<Record<string, number>>;
  readonly rejected: Readonly<Record<string, number>>;
  /** Of twins: the checker said that it does not know. */
  readonly twinsRefused: number;
  readonly duplicates: string;
  readonly failures: OpenedPassages["failures"];
}
