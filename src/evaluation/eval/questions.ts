/**
 * Questions to compare answers on, from any data file. Columns are found by common names or mapped by the user; only the question is needed.
 *
 * A bad row (no question, an id that came before) is reported by name and left out, and the rest goes on: a comparison of 300 questions must
 * not die of one.
 */
import { basename } from "node:path";
import { readRows } from "../../data/read/read-rows.ts";
import type { ReadOptions, SourceRow } from "../../data/read/source-row.ts";
import { counted } from "../../errors/counted.ts";
import { DataError } from "../../errors/data-error.ts";
import { type AnswerLanguage, answerLanguage } from "../scores/answer-language.ts";

const QUESTION_FIELDS = ["question", "reference", "oldAnswer", "category", "answerable", "id", "context"] as const;
type QuestionField = (typeof QUESTION_FIELDS)[number];

export interface Question {
  readonly id: string;
  readonly question: string;
  /** Right answers; of several any counts. Empty: nothing is known to be right. */
  readonly references: readonly string[];
  /** An answer from before, to stand beside the new ones. */
  readonly oldAnswer?: string;
  readonly category?: string;
  readonly answerable?: boolean;
  /** A passage that belongs to the question, for whoever answers without retrieval. */
  readonly context?: string;
  readonly language: AnswerLanguage;
}

export interface QuestionProblem {
  readonly file: string;
  readonly row: number;
  readonly problem: string;
}

export interface Questions {
  readonly questions: readonly Question[];
  readonly problems: readonly QuestionProblem[];
}

const COMMON_NAMES: Readonly<Record<QuestionField, readonly string[]>> = {
  question: ["question", "instruction", "prompt", "query", "質問"],
  reference: ["reference", "references", "answer", "answers", "output", "expected", "gold", "正解", "回答"],
  oldAnswer: ["oldanswer", "old_answer", "old answer", "old", "previous", "旧回答"],
  category: ["category", "type", "goal", "kind", "カテゴリ"],
  answerable: ["answerable", "is_answerable"],
  id: ["id", "qid", "question_id"],
  context: ["context", "passage"],
};
const YES = new Set(["true", "yes", "1", "y", "はい", "answerable"]);
const NO = new Set(["false", "no", "0", "n", "いいえ", "unanswerable"]);

export interface QuestionOptions extends ReadOptions {
  /** Field → column of the file. */
  readonly columns?: Readonly<Record<string, string>>;
  /** Read no more questions than this. */
  readonly limit?: number;
}

/** @throws DataError when a file cannot be read, lacks the question's column, or holds no usable question */
export async function readQuestions(files: readonly string[], options: QuestionOptions = {}): Promise<Questions> {
  const questions: Question[] = [];
  const problems: QuestionProblem[] = [];
  const seen = new Map<string, string>();
  for (const file of files) {
    let columns: ReadonlyMap<QuestionField, string> = new Map();
    const found = new Set<string>();
    for await (const source of readRows(file, options)) {
      // Rows of JSON may bring columns that the first one lacked.
      const known = found.size;
      for (const column of Object.keys(source.values)) found.add(column);
      if (found.size > known) columns = mapQuestionColumns(file, [...found], options.columns);
      const read = readQuestion(source, columns, files.length > 1 ? `${basename(file)}:${source.row}` : String(source.row));
      const place = `${basename(file)} row ${source.row}`;
      const before = typeof read === "string" ? undefined : seen.get(read.id);
      if (typeof read === "string") problems.push({ file, row: source.row, problem: read });
      else if (before !== undefined) problems.push({ file, row: source.row, problem: `the id ${read.id} was used before, in ${before}` });
      else {
        seen.set(read.id, place);
        questions.push(read);
      }
      if (options.limit !== undefined && questions.length >= options.limit) return { questions, problems };
    }
  }
  if (questions.length === 0) {
    const found =
      problems.length > 0 ? `${counted(problems.length, "row")} that cannot be used, the first: ${problems[0]!.problem}` : "no rows";
    throw new DataError({ file: files[0]! }, `expected at least one question, found ${found}`, "Give each row a question.");
  }
  return { questions, problems };
}

function mapQuestionColumns(
  file: string,
  found: readonly string[],
  given: Readonly<Record<string, string>> = {},
): ReadonlyMap<QuestionField, string> {
  const map = new Map<QuestionField, string>();
  for (const [field, column] of Object.entries(given)) {
    if (!(QUESTION_FIELDS as readonly string[]).includes(field)) {
      throw new DataError({ file, column }, `expected one of ${QUESTION_FIELDS.join(", ")} before the column, found ${field}`);
    }
    if (!found.includes(column))
      throw new DataError({ file, column }, `expected this column for ${field}, found only: ${found.join(", ")}`);
    map.set(field as QuestionField, column);
  }
  for (const field of QUESTION_FIELDS) {
    if (map.has(field)) continue;
    const taken = new Set(map.values());
    const column = COMMON_NAMES[field]
      .map((name) => found.find((each) => each.trim().toLowerCase() === name && !taken.has(each)))
      .find((each) => each !== undefined);
    if (column !== undefined) map.set(field, column);
  }
  if (!map.has("question")) {
    throw new DataError(
      { file },
      `expected a column with questions, found: ${found.join(", ") || "none"}`,
      "Map it by name: --columns question=<column>.",
    );
  }
  return map;
}

/** @returns a question, or what is wrong with the row */
function readQuestion({ values }: SourceRow, columns: ReadonlyMap<QuestionField, string>, fallbackId: string): Question | string {
  const text = (field: QuestionField) => textOf(columns.has(field) ? values[columns.get(field)!] : undefined);
  const question = text("question");
  if (question === undefined) return "it has no question";
  const answerable = text("answerable")?.toLowerCase();
  if (answerable !== undefined && !YES.has(answerable) && !NO.has(answerable))
    return `expected yes or no for answerable, found ${answerable}`;
  const references = referencesOf(columns.has("reference") ? values[columns.get("reference")!] : undefined);
  return {
    id: text("id") ?? fallbackId,
    question,
    references,
    oldAnswer: text("oldAnswer"),
    category: text("category"),
    answerable: answerable === undefined ? undefined : YES.has(answerable),
    context: text("context"),
    language: answerLanguage(question),
  };
}

function textOf(value: unknown): string | undefined {
  const text = typeof value === "string" ? value : typeof value === "number" || typeof value === "boolean" ? String(value) : "";
  return text.trim() === "" ? undefined : text.trim();
}

function referencesOf(value: unknown): string[] {
  const list = Array.isArray(value) ? value : [value];
  return [...new Set(list.map(textOf).filter((text) => text !== undefined))];
}
