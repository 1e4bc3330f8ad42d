/** The figures of a comparison, each with its name, direction and how it is shown. What a report lists and a summary may claim. */
import type { ReportLanguage } from "../report-language.ts";
import type { AnswerScores } from "./answer-scores.ts";

export interface Metric {
  readonly name: string;
  readonly title: Readonly<Record<ReportLanguage, string>>;
  /** What it says, in a sentence a reader meets as a hint. */
  readonly meaning: Readonly<Record<ReportLanguage, string>>;
  readonly better: "higher" | "lower" | "neither";
  readonly unit: "share" | "number" | "seconds" | "dollars" | "rate";
  /** Each answer counts 0 or 1, so the interval is that of a share, wide also when all are equal. */
  readonly counted?: true;
  readonly of: (scores: AnswerScores) => number | undefined;
}

const answered = (scores: AnswerScores) => scores.kind === "answered";
const whenAnswered = (of: Metric["of"]) => (scores: AnswerScores) => (answered(scores) ? of(scores) : undefined);

export const METRICS: readonly Metric[] = [
  {
    name: "noAnswer",
    title: { en: "No answer", ja: "答えなし" },
    meaning: {
      en: "Share of questions with an empty answer, an answer that ended at once, or a refusal",
      ja: "空の答え、すぐに終わった答え、「わからない」という答えの割合",
    },
    better: "neither",
    unit: "share",
    counted: true,
    of: (scores) => Number(!answered(scores)),
  },
  {
    name: "exact",
    title: { en: "Exact match", ja: "完全一致" },
    meaning: { en: "Equal to a reference, but for case and punctuation", ja: "大文字と小文字、句読点のほかは参照解答と同じ" },
    better: "higher",
    unit: "share",
    counted: true,
    of: (s) => s.exact,
  },
  {
    name: "f1",
    title: { en: "F1", ja: "F1" },
    meaning: { en: "Overlap of words (characters in Japanese) with the reference", ja: "参照解答との語（日本語では文字）の重なり" },
    better: "higher",
    unit: "share",
    of: (s) => s.f1,
  },
  {
    name: "rougeL",
    title: { en: "ROUGE-L", ja: "ROUGE-L" },
    meaning: { en: "Longest common subsequence with the reference", ja: "参照解答との最長共通部分列" },
    better: "higher",
    unit: "share",
    of: (s) => s.rougeL,
  },
  {
    name: "chrF",
    title: { en: "chrF", ja: "chrF" },
    meaning: { en: "Shared character n-grams with the reference", ja: "参照解答と共通する文字 n-gram" },
    better: "higher",
    unit: "share",
    of: (s) => s.chrF,
  },
  {
    name: "similarity",
    title: { en: "Similarity", ja: "類似度" },
    meaning: {
      en: "Cosine of answer and reference, as an encoder sees their meaning",
      ja: "エンコーダーで測った、答えと参照解答の意味のコサイン",
    },
    better: "higher",
    unit: "share",
    of: (s) => s.similarity,
  },
  {
    name: "groundedness",
    title: { en: "Grounded", ja: "根拠" },
    meaning: {
      en: "Share of an answer's content that stands in the passages it was given; wording, not truth",
      ja: "答えの内容のうち、渡した文章にあるものの割合。言い回しの一致であり、正しさではない",
    },
    better: "higher",
    unit: "share",
    of: whenAnswered((s) => s.groundedness),
  },
  {
    name: "sameLanguage",
    title: { en: "Same language", ja: "同じ言語" },
    meaning: { en: "Answers in the language of their question", ja: "質問と同じ言語で答えた割合" },
    better: "higher",
    unit: "share",
    of: whenAnswered((s) => s.sameLanguage),
  },
  {
    name: "units",
    title: { en: "Length", ja: "長さ" },
    meaning: { en: "Words of an answer (characters in Japanese)", ja: "答えの語数（日本語では文字数）" },
    better: "neither",
    unit: "number",
    of: (s) => s.units,
  },
  {
    name: "repetition",
    title: { en: "Repetition", ja: "繰り返し" },
    meaning: { en: "Share of an answer that repeats itself", ja: "答えのうち、同じことの繰り返しの割合" },
    better: "lower",
    unit: "share",
    of: (s) => s.repetition,
  },
  {
    name: "seconds",
    title: { en: "Latency", ja: "応答時間" },
    meaning: { en: "Seconds to an answer", ja: "答えまでの秒数" },
    better: "lower",
    unit: "seconds",
    of: (s) => s.seconds,
  },
  {
    name: "tokensPerSecond",
    title: { en: "Tokens/s", ja: "トークン/秒" },
    meaning: { en: "Tokens of the answer a second", ja: "1 秒当たりの、答えのトークン数" },
    better: "higher",
    unit: "rate",
    of: (s) => s.tokensPerSecond,
  },
  {
    name: "cost",
    title: { en: "Cost", ja: "費用" },
    meaning: { en: "US dollars an answer, where a price is known", ja: "答え一つの米ドル（価格がわかる場合）" },
    better: "lower",
    unit: "dollars",
    of: (s) => s.cost,
  },
];
