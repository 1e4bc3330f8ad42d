/** A report's language with the words that its page says in it: what every section is drawn with. */
import { type ReportLanguage, reportLanguage } from "../../report-language.ts";
import type { ReportData } from "../report-data.ts";
import { ENGLISH, type ReportWords } from "./english.ts";
import { JAPANESE } from "./japanese.ts";

export interface Wording {
  readonly language: ReportLanguage;
  readonly words: ReportWords;
}

const WORDS: Readonly<Record<ReportLanguage, ReportWords>> = { en: ENGLISH, ja: JAPANESE };

/** Reports of earlier versions do not name their language. */
export function wordingOf({ language, questions }: ReportData): Wording {
  const chosen = language ?? reportLanguage(questions);
  return { language: chosen, words: WORDS[chosen] };
}
