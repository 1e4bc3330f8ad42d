/** The language of a report's own words. What models, documents and users wrote stays in its own. */
import type { Question } from "./eval/questions.ts";

export type ReportLanguage = "en" | "ja";

/** That of most questions. */
export function reportLanguage(questions: readonly Pick<Question, "language">[]): ReportLanguage {
  return questions.filter(({ language }) => language === "ja").length * 2 > questions.length ? "ja" : "en";
}
