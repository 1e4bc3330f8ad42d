/**
 * SQuAD 2.0 and JaQuAD, split by article: questions to compare on come from every second article, training rows from the others, so that neither a
 * question nor a paragraph is on both sides. All paragraphs are documents.
 */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { sample } from "../retrieval/qa-passages.ts";

export interface QaItem {
  readonly id: string;
  readonly question: string;
  /** Right answers; none for a question that its paragraph does not answer. */
  readonly answers: readonly string[];
  readonly answerable: boolean;
  /** `squad` or `jaquad`. */
  readonly set: string;
}

export interface QaSplit {
  readonly passages: readonly { readonly title: string; readonly text: string }[];
  readonly questions: readonly QaItem[];
  readonly rows: readonly QaItem[];
}

const FILES = { squad: "squad-v2-dev-half.json", jaquad: "jaquad-dev.json" };

interface QaFile {
  data: {
    title: string;
    paragraphs: { context: string; qas: { id: string; question: string; is_impossible?: boolean; answers: { text: string }[] }[] }[];
  }[];
}

/** @param questions and rows: how many of each, half from either set, spread over the articles */
export function readSplit(folder: string, questions: number, rows: number): QaSplit {
  const parts = Object.entries(FILES).map(([set, file]) => {
    const { data } = JSON.parse(readFileSync(join(folder, file), "utf8")) as QaFile;
    const itemsOf = (articles: QaFile["data"]) =>
      articles.flatMap(({ paragraphs }) =>
        paragraphs.flatMap(({ qas }) =>
          qas.map(({ id, question, is_impossible, answers }): QaItem => {
            const answerable = is_impossible !== true;
            return { id, question, answers: answerable ? [...new Set(answers.map(({ text }) => text))] : [], answerable, set };
          }),
        ),
      );
    return {
      passages: data.flatMap(({ title, paragraphs }) => paragraphs.map(({ context }) => ({ title, text: context }))),
      questions: sample(itemsOf(data.filter((_, index) => index % 2 === 0)), Math.ceil(questions / 2)),
      rows: sample(itemsOf(data.filter((_, index) => index % 2 === 1)), Math.ceil(rows / 2)),
    };
  });
  return {
    passages: parts.flatMap((part) => part.passages),
    questions: parts.flatMap((part) => part.questions).slice(0, questions),
    rows: parts.flatMap((part) => part.rows).slice(0, rows),
  };
}
