/**
 * Tables for a spreadsheet: all answers, one line a question and variant; and the documents that could not be read. A text that a spreadsheet would
 * run as a formula gets an apostrophe.
 */
import { METRICS } from "../eval/metrics.ts";
import type { ReportData } from "./report-data.ts";

export function reportCsv({ questions, answers, notes }: ReportData): string {
  const byId = new Map(questions.map((question) => [question.id, question]));
  const header = [
    "id",
    "category",
    "answerable",
    "question",
    "reference",
    "old answer",
    "variant",
    "answer",
    "kind",
    ...METRICS.map(({ name }) => name),
    "error",
    "sources",
    "thumb",
    "note",
  ];
  const rows = answers.map(({ variant, id, text, scores, error, sources }) => {
    const question = byId.get(id);
    const note = notes.find((each) => each.variant === variant && each.id === id);
    return [
      id,
      question?.category,
      question?.answerable,
      question?.question,
      question?.references.join(" | "),
      question?.oldAnswer,
      variant,
      text,
      scores?.kind,
      ...METRICS.map(({ of }) => (scores ? of(scores) : undefined)),
      error,
      sources?.map(({ title }) => title).join(" | "),
      note?.thumb,
      note?.note,
    ];
  });
  return table([header, ...rows]);
}

export function unreadDocumentsCsv({ unreadDocuments = [] }: ReportData): string {
  const header = ["document", "reason", "what to do", "tried at", "older text still indexed"];
  return table([
    header,
    ...unreadDocuments.map(({ document, reason, next, triedAt, keepsOldText }) => [document, reason, next, triedAt, keepsOldText]),
  ]);
}

type Cell = string | number | boolean | undefined;

/** With a byte-order mark, so that spreadsheets read Japanese as UTF-8. */
function table(rows: readonly (readonly Cell[])[]): string {
  return `\ufeff${rows.map((row) => row.map(cell).join(",")).join("\r\n")}\r\n`;
}

function cell(value: Cell): string {
  if (value === undefined) return "";
  if (typeof value === "number") return String(Number(value.toPrecision(6)));
  const text = typeof value === "string" && /^[=+\-@\t\r]/u.test(value) ? `'${value}` : String(value);
  return /[",\r\n]/u.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}
