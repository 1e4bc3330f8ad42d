/** The page's own words in English, and with their type the list of what every language has to say. */
import { counted } from "../../../errors/counted.ts";
import type { AnswerKind } from "../../no-answer/no-answer.ts";
import type { VariantParts } from "../report-data.ts";

const kinds: Readonly<Record<AnswerKind, string>> = {
  answered: "answered",
  refused: "refused",
  empty: "empty",
  "ended at once": "ended at once",
};

export const ENGLISH = {
  // ---- head ----
  toQuestions: "To the questions",
  counts: (questions: number, variants: number) => `${counted(questions, "question")}, ${counted(variants, "variant")}`,
  translatedBy: (translator: string) => `translated by ${translator}`,
  variant: "Variant",
  variantParts({ model, adapter, index, price }: VariantParts) {
    const cost = price ? `, at $${price.prompt} a million tokens of prompts and $${price.answer} of answers` : "";
    return `${model}${adapter ? ` with the adapter ${adapter}` : ""}${index ? `, from the documents of ${index}` : ""}${cost}`;
  },

  // ---- summary ----
  whatHelped: "What helped",
  oneVariant: "One variant only: there is nothing to compare it with.",
  figures: "Figures",
  figuresHint: (baseline: string) =>
    `Means with 95% intervals over questions. ▲ and ▼ mark what differs from ${baseline} beyond chance, question by question.`,
  figuresTable: "Figures by variant",
  higherThan: (baseline: string) => `higher than ${baseline}`,
  lowerThan: (baseline: string) => `lower than ${baseline}`,
  silence: {
    title: "Answered or not",
    hint: (judge: string | undefined) =>
      `Silence is right where no answer exists and wrong where one does${judge === undefined ? "" : `; ${judge} said what is an answer`}. “Right when answered” is the mean F1 of answered questions that have an answer.`,
    table: "Answered and refused by variant",
    answeredAnswerable: "Answered, answerable",
    answeredUnanswerable: "Answered, unanswerable",
    refusedAnswerable: "Refused, answerable",
    refusedUnanswerable: "Refused, unanswerable",
    unmarked: "Not marked: answered / refused",
    noAnswer: "No answer",
    rightWhenAnswered: "Right when answered",
  },

  // ---- judge, earlier run, what is missing ----
  judge: {
    title: "Judged in pairs",
    hint: (judge: string, pairs: number, unread: number) =>
      `By ${judge}, each pair twice with positions swapped, names hidden; ${counted(pairs, "pair")} counted${unread > 0 ? `, ${unread} without a verdict that could be read` : ""}. 400 points are odds of 10 to 1.`,
    table: "Strengths by the judge",
    points: "Points",
    interval: "95% interval",
    range: (low: string, high: string) => `${low} to ${high}`,
    shareWon: "Share won (ties half)",
    pairs: "Pairs",
  },
  changes: {
    title: (run: string) => `Against ${run}`,
    hint: (when: string) => `Questions that both runs asked, paired. Run of ${when}.`,
    table: "Changes since the earlier run",
    figure: "Figure",
    before: "Then",
    now: "Now",
    change: "Change",
    better: "better",
    worse: "worse",
    higher: "higher",
    lower: "lower",
    cannotTell: "cannot tell",
  },
  unread: {
    title: "Documents that could not be read",
    hint: "What the variants with documents could not draw on.",
    oldText: " (what was read of it before is still in the index)",
    tried: (when: string) => `. Tried ${when}. `,
  },
  problems: {
    title: "What went wrong",
    row: (file: string, row: number, problem: string) => `${file}, row ${row}: ${problem}. Left out.`,
    answer: (variant: string, id: string, problem: string) => `${variant}, question ${id}: ${problem}`,
    pair: (a: string, b: string, id: string, problem: string) => `${a} against ${b}, question ${id} (not counted): ${problem}`,
    silence: (variant: string, id: string, problem: string) =>
      `${variant}, question ${id} (answered or not, told by its words): ${problem}`,
    translation: (text: string, problem: string) => `Not translated: “${text}”: ${problem}`,
  },
  howMade: "How this was made",

  // ---- questions ----
  questions: "Questions",
  filters: {
    title: "Filter questions",
    search: "Search",
    show: "Show",
    all: "all",
    differs: "where answers differ",
    silent: "with no answer",
    viewed: "with your thumbs or notes",
    category: "Category",
    order: "Order",
    asked: "as asked",
    worst: "worst F1 first",
    save: "Save thumbs and notes…",
    /** The page's script puts numbers in. */
    shown: "{shown} of {all} questions shown",
  },
  question: (number: number) => `Question ${number}`,
  hasNoAnswer: "has no answer",
  reference: "Reference:",
  oldAnswer: "Old answer",
  judged: "Judge:",
  pairProblem: (a: string, b: string, problem: string) => `${a} and ${b}: ${problem}`,
  tie: (a: string, b: string) => `${a} and ${b} tie`,
  wins: (winner: string, loser: string) => `${winner} over ${loser}`,
  notAsked: "Not asked yet.",
  failed: (problem: string) => `Failed: ${problem}`,
  kinds,
  grounded: (share: string) => `grounded ${share}`,
  nothing: "(nothing)",
  unsupportedNumbers: "numbers in no source:",
  yourView: (variant: string) => `Your view of ${variant}`,
  goodAnswer: "Good answer",
  badAnswer: "Bad answer",
  note: "Note",
  noteOn: (variant: string) => `Note on ${variant}`,
  sources: (count: number) => counted(count, "source"),
  machineTranslation: "(machine translation)",
};

export type ReportWords = typeof ENGLISH;
