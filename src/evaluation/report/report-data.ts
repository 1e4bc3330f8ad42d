/** Everything that a report shows, as plain data: `report.json`. The page is drawn from this and nothing else. */
import type { UnreadDocument } from "../../retrieval/store/document-index.ts";
import type { AnswerRecord } from "../eval/answer-record.ts";
import type { AnswerScores } from "../eval/answer-scores.ts";
import type { JudgedSilence } from "../eval/judge-silence.ts";
import type { Question, QuestionProblem } from "../eval/questions.ts";
import type { Summary } from "../eval/summary.ts";
import type { JudgedPair } from "../judge/pairwise-judge.ts";
import type { ReportLanguage } from "../report-language.ts";
import type { Strength } from "../statistics/bradley-terry.ts";

/** A text in the other language, by a machine. */
export interface Translation {
  readonly language: ReportLanguage;
  readonly text: string;
}

export interface ReportQuestion extends Question {
  readonly translation?: Translation;
  readonly oldAnswerTranslation?: Translation;
}

export interface ReportAnswer extends AnswerRecord {
  readonly scores?: AnswerScores;
  readonly translation?: Translation;
}

/** What a variant is made of. */
export interface VariantParts {
  readonly model: string;
  readonly adapter?: string;
  /** The index whose documents it answers from. */
  readonly index?: string;
  /** US dollars for a million tokens. */
  readonly price?: { readonly prompt: string; readonly answer: string };
}

export interface ReportVariant {
  readonly name: string;
  /** Model, adapter, documents, in English words. */
  readonly description: string;
  /** The same as data. Reports of earlier versions do not have it. */
  readonly parts?: VariantParts;
}

/** What a person thought of one answer; kept in a file of its own, by `variant` and question. */
export interface HumanNote {
  readonly variant: string;
  readonly id: string;
  readonly thumb?: "up" | "down";
  readonly note?: string;
}

/** One figure of one variant in this run and in an earlier one. */
export interface RunChange {
  readonly variant: string;
  readonly metric: string;
  readonly before: number;
  readonly now: number;
  readonly differs: "higher" | "lower" | "cannot tell";
}

export interface ReportData {
  readonly title: string;
  /** Of the page's own words. Reports of earlier versions do not say: that of most questions. */
  readonly language?: ReportLanguage;
  /** ISO 8601. */
  readonly madeAt: string;
  readonly remora: string;
  readonly variants: readonly ReportVariant[];
  readonly questions: readonly ReportQuestion[];
  readonly answers: readonly ReportAnswer[];
  readonly problems: readonly QuestionProblem[];
  /** What variants with documents could not answer from. Reports of earlier versions do not say. */
  readonly unreadDocuments?: readonly UnreadDocument[];
  readonly summary: Summary;
  readonly judge?: {
    readonly model: string;
    readonly pairs: readonly JudgedPair[];
    readonly strengths: readonly Strength[];
    /** Where the judge said what is no answer. */
    readonly silence?: readonly JudgedSilence[];
  };
  /** Who translated, when anything is translated. */
  readonly translator?: string;
  /** What the translator failed on, and why. */
  readonly translationProblems?: readonly { readonly text: string; readonly problem: string }[];
  readonly notes: readonly HumanNote[];
  readonly comparedWith?: { readonly title: string; readonly madeAt: string; readonly changes: readonly RunChange[] };
  /** How the run was made: settings that change answers. */
  readonly settings: Readonly<Record<string, string>>;
}
