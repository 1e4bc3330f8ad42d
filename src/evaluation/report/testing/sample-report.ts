/** A small report with everything in it that a page can show, hostile texts included. */
import type { AnswerRecord } from "../../eval/answer-record.ts";
import { scoreAnswer } from "../../eval/answer-scores.ts";
import type { Question } from "../../eval/questions.ts";
import { summarize } from "../../eval/summarize.ts";
import type { ReportData } from "../report-data.ts";

const source = { title: "g7.md › Members", text: "Canada joined the group in 1976. The other six had met in 1975." };

const QUESTIONS: readonly Question[] = [
  {
    id: "g7-1",
    question: "Which country joined the group in 1976?",
    references: ["Canada"],
    oldAnswer: "It was Canada, in 1976.",
    category: "goal A",
    answerable: true,
    language: "en",
  },
  {
    id: "g7-2",
    question: "G7の最初の会議は何年に開かれましたか。",
    references: ["1975年"],
    category: "goal B",
    answerable: true,
    language: "ja",
  },
  { id: "g7-3", question: "Who will host the meeting in 2090?", references: [], category: "goal B", answerable: false, language: "en" },
  {
    id: "g7-4",
    question: "What does <script>alert(1)</script> mean?",
    references: ["nothing"],
    category: "goal A",
    answerable: true,
    language: "en",
  },
];

const ANSWERS: Readonly<Record<string, readonly Partial<AnswerRecord>[]>> = {
  base: [
    { text: "The country that joined in 1976 was Italy." },
    { text: "" },
    { text: "The meeting will be hosted by France." },
    { text: "<img src=x onerror=alert(1)> It means nothing." },
  ],
  "base+docs": [
    { text: "Canada joined in 1976.", sources: [source] },
    { text: "1975年に六か国で開かれました。", sources: [source] },
    { text: "The documents do not say who will host it.", sources: [source] },
    { error: "the model did not answer within 60 s" },
  ],
  tuned: [{ text: "Canada" }, { text: "1973年です。" }, { text: "I do not know." }, { text: "Nothing at all" }],
};

export function sampleReport(): ReportData {
  const variants = Object.keys(ANSWERS);
  const answers = variants.flatMap((variant) =>
    QUESTIONS.map((question, index) => {
      const record: AnswerRecord = { variant, id: question.id, text: "", seconds: 0.4 + index / 10, ...ANSWERS[variant]![index] };
      return record.error === undefined ? { ...record, scores: scoreAnswer(question, record) } : record;
    }),
  );
  const scored = answers.flatMap((answer) =>
    "scores" in answer ? [{ variant: answer.variant, id: answer.id, scores: answer.scores }] : [],
  );
  return {
    title: "G7 and BRICS",
    madeAt: "2026-11-26T12:00:00.000Z",
    remora: "0.1.0",
    variants: variants.map((name) => ({ name, description: `a model of the tests, ${name}` })),
    questions: QUESTIONS.map((question) =>
      question.language === "ja"
        ? { ...question, translation: { language: "en", text: "In which year was the first G7 meeting held?" } }
        : { ...question, translation: { language: "ja", text: `（訳）${question.question}` } },
    ),
    answers,
    unreadDocuments: [
      {
        document: "docs/locked.pdf",
        reason: "the PDF is encrypted and asks for a password",
        next: "Save a copy without a password.",
        triedAt: "2026-11-26T11:30:00.000Z",
        keepsOldText: false,
      },
      {
        document: "docs/<b>.pdf",
        reason: "expected a PDF, found damage: Invalid PDF structure.",
        triedAt: "2026-11-25T08:00:00.000Z",
        keepsOldText: true,
      },
    ],
    problems: [{ file: "questions.csv", row: 7, problem: "it has no question" }],
    summary: summarize(QUESTIONS, variants, scored),
    judge: {
      model: "a judge of the tests",
      pairs: [
        { id: "g7-1", a: "base", b: "tuned", score: 0, reasons: ["Canada is right"] },
        { id: "g7-2", a: "base", b: "tuned", reasons: [], problem: "the judge's words hold no verdict: hm" },
      ],
      strengths: [
        { name: "tuned", rating: 80, low: 20, high: 140, winRate: 0.75, games: 2 },
        { name: "base", rating: -80, low: -140, high: -20, winRate: 0.25, games: 2 },
      ],
    },
    translator: "a translator of the tests",
    notes: [{ variant: "tuned", id: "g7-1", thumb: "up", note: "short and right" }],
    comparedWith: {
      title: "An earlier run",
      madeAt: "2026-11-20T08:00:00.000Z",
      changes: [
        { variant: "tuned", metric: "f1", before: 0.3, now: 0.6, differs: "higher" },
        { variant: "tuned", metric: "seconds", before: 0.2, now: 0.5, differs: "higher" },
      ],
    },
    settings: { model: "remora-tiny", seed: "0" },
  };
}
