/** Questions and their paragraphs from SQuAD-shaped JSON (SQuAD 2.0, JaQuAD): what hit rates are measured on. */
import { readFileSync } from "node:fs";

export interface QaSet {
  readonly passages: readonly { readonly id: string; readonly title: string; readonly text: string }[];
  readonly questions: readonly { readonly id: string; readonly text: string; readonly passage: string; readonly answerable: boolean }[];
}

export function readQa(path: string): QaSet {
  type Question = { id: string; question: string; is_impossible?: boolean };
  const { data } = JSON.parse(readFileSync(path, "utf8")) as {
    data: { title: string; paragraphs: { context: string; qas: Question[] }[] }[];
  };
  const passages: QaSet["passages"][number][] = [];
  const questions: QaSet["questions"][number][] = [];
  for (const { title, paragraphs } of data) {
    for (const { context, qas } of paragraphs) {
      const id = `p${passages.length}`;
      passages.push({ id, title, text: context });
      for (const { id: question, question: text, is_impossible } of qas)
        questions.push({ id: question, text, passage: id, answerable: is_impossible !== true });
    }
  }
  return { passages, questions };
}

/** Every n-th, so that a sample covers the whole file. */
export function sample<T>(items: readonly T[], count: number): T[] {
  if (items.length <= count) return [...items];
  return Array.from({ length: count }, (_, index) => items[Math.floor((index * items.length) / count)]!);
}
