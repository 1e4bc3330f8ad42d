/**
 * What a comparison showed, in sentences, English or Japanese. A sentence claims a difference only where its interval leaves zero out; else it
 * says that it cannot be told.
 */
import { counted } from "../../errors/counted.ts";
import type { ReportLanguage } from "../report-language.ts";
import { MIN_PAIRS } from "../statistics/bootstrap.ts";
import { METRICS, type Metric } from "./metrics.ts";
import type { Summary, VariantSummary } from "./summary.ts";

/** The figures that people ask about first. */
const SPOKEN = ["f1", "chrF", "similarity", "groundedness"];
const percent = (share: number) => `${(100 * share).toFixed(1)}`;
const signed = (share: number) => `${share >= 0 ? "+" : "−"}${percent(Math.abs(share))}`;

/** Two variants and the figure they are compared in; shares are 0 to 1. */
interface Compared {
  readonly variant: string;
  readonly baseline: string;
  readonly title: string;
  readonly mean: number;
  readonly low: number;
  readonly high: number;
  readonly count: number;
}

/** How often two variants stay silent, on what has no answer and on what has one. */
interface Silence {
  readonly variant: string;
  readonly baseline: string;
  readonly share: number;
  /** The variant's share less the baseline's. */
  readonly difference: number;
  readonly differs: boolean;
  readonly detail?: { readonly right: number; readonly wasRight: number; readonly wrong: number; readonly wasWrong: number };
}

const WORDS = {
  en: {
    notComparable: (variant: string, baseline: string) =>
      `${variant} cannot be compared with ${baseline}: no question was answered by both with a figure to compare.`,
    tooFew: ({ variant, baseline, title, count }: Compared) =>
      `Whether ${variant} is better than ${baseline} in ${title} cannot be told from ${counted(count, "question")}; ${MIN_PAIRS} are the fewest.`,
    cannotTell: (compared: Compared) =>
      `Whether ${compared.variant} is better than ${compared.baseline} in ${compared.title} cannot be told (${signed(compared.mean)} points; ${range.en(compared)}).`,
    differs: (compared: Compared) =>
      `${compared.variant} is ${compared.mean > 0 ? "better" : "worse"} than ${compared.baseline} in ${compared.title} by ${percent(Math.abs(compared.mean))} points (${range.en(compared)}).`,
    silence({ variant, baseline, share, difference, differs, detail }: Silence) {
      const change = differs
        ? `, ${difference > 0 ? "more" : "less"} often than ${baseline} by ${percent(Math.abs(difference))} points`
        : ` and whether that is more or less often than ${baseline} cannot be told (${signed(difference)} points)`;
      const rightAndWrong = detail
        ? ` It stays silent on ${percent(detail.right)}% of what has no answer (${baseline}: ${percent(detail.wasRight)}%) and on ${percent(detail.wrong)}% of what has one (${baseline}: ${percent(detail.wasWrong)}%).`
        : "";
      return `${variant} gives no answer to ${percent(share)}% of the questions${change}.${rightAndWrong}`;
    },
  },
  ja: {
    notComparable: (variant: string, baseline: string) =>
      `${variant} と ${baseline} は比べられません。両方が答え、比べられる指標のある質問がありません。`,
    tooFew: ({ variant, baseline, title, count }: Compared) =>
      `${variant} が ${title} で ${baseline} より良いかどうかは、${count} 問では判断できません。少なくとも ${MIN_PAIRS} 問が必要です。`,
    cannotTell: (compared: Compared) =>
      `${compared.variant} が ${compared.title} で ${compared.baseline} より良いかどうかは判断できません（差 ${signed(compared.mean)} ポイント、${range.ja(compared)}）。`,
    differs: (compared: Compared) =>
      `${compared.variant} は ${compared.title} で ${compared.baseline} を ${percent(Math.abs(compared.mean))} ポイント${compared.mean > 0 ? "上回ります" : "下回ります"}（${range.ja(compared)}）。`,
    silence({ variant, baseline, share, difference, differs, detail }: Silence) {
      const change = differs
        ? `${baseline} より ${percent(Math.abs(difference))} ポイント${difference > 0 ? "多く" : "少なく"}なっています。`
        : `${baseline} より多いか少ないかは判断できません（差 ${signed(difference)} ポイント）。`;
      const rightAndWrong = detail
        ? `答えのない質問の ${percent(detail.right)}%（${baseline} は ${percent(detail.wasRight)}%）、答えのある質問の ${percent(detail.wrong)}%（${baseline} は ${percent(detail.wasWrong)}%）に答えていません。`
        : "";
      return `${variant} は質問の ${percent(share)}% に答えていません。${change}${rightAndWrong}`;
    },
  },
};

const range: Readonly<Record<ReportLanguage, (compared: Compared) => string>> = {
  en: ({ low, high, count }) => `95% interval ${signed(low)} to ${signed(high)}, ${counted(count, "question")}`,
  ja: ({ low, high, count }) => `95% 区間 ${signed(low)} ～ ${signed(high)}、${count} 問`,
};

/** For each variant but the first: at most two figures, and how often it gives no answer. */
export function summarySentences({ baseline, variants }: Pick<Summary, "baseline" | "variants">, language: ReportLanguage): string[] {
  const spoken = METRICS.filter(({ name }) => SPOKEN.includes(name));
  return variants.slice(1).flatMap((summary) => {
    const lines = spoken.flatMap((metric) => compare(baseline, summary, metric, language) ?? []).slice(0, 2);
    const silence = silenceInWords(baseline, summary, variants[0]!, language);
    const all = [...lines, ...(silence === undefined ? [] : [silence])];
    return all.length > 0 ? all : [WORDS[language].notComparable(summary.variant, baseline)];
  });
}

function compare(
  baseline: string,
  { variant, differences }: VariantSummary,
  { name, title }: Metric,
  language: ReportLanguage,
): string | undefined {
  const difference = differences[name];
  if (!difference) return undefined;
  const words = WORDS[language];
  const compared = { variant, baseline, title: title[language], ...difference };
  if (difference.count < MIN_PAIRS) return words.tooFew(compared);
  return difference.differs === "cannot tell" ? words.cannotTell(compared) : words.differs(compared);
}

function silenceInWords(baseline: string, summary: VariantSummary, base: VariantSummary, language: ReportLanguage): string | undefined {
  const difference = summary.differences.noAnswer;
  if (!difference) return undefined;
  const { refusedWhenUnanswerable: right, refusedWhenAnswerable: wrong } = summary.answers;
  const { refusedWhenUnanswerable: wasRight, refusedWhenAnswerable: wasWrong } = base.answers;
  const known = right && wrong && wasRight && wasWrong;
  return WORDS[language].silence({
    variant: summary.variant,
    baseline,
    share: summary.metrics.noAnswer!.mean,
    difference: difference.mean,
    differs: difference.differs !== "cannot tell",
    ...(known && { detail: { right: right.mean, wasRight: wasRight.mean, wrong: wrong.mean, wasWrong: wasWrong.mean } }),
  });
}
