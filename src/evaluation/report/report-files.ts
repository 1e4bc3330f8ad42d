/**
 * A comparison's folder: `report.json` (everything), `report.html` (the page), `answers.csv`, `unread-documents.csv` where there are any; and what a
 * person's notes and an earlier run add.
 */
import { existsSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { DataError } from "../../errors/data-error.ts";
import { FileAccessError } from "../../errors/file-access-error.ts";
import { writeFileAtomically } from "../../formats/atomic-file.ts";
import type { ReportLanguage } from "../report-language.ts";
import { compareRuns } from "./compare-runs.ts";
import { renderReport } from "./render-report.ts";
import { reportCsv, unreadDocumentsCsv } from "./report-csv.ts";
import type { HumanNote, ReportData } from "./report-data.ts";

export interface ReportFiles {
  readonly html: string;
  readonly json: string;
  readonly csv: string;
  /** Where documents could not be read. */
  readonly unreadCsv?: string;
}

export async function writeReport(folder: string, data: ReportData): Promise<ReportFiles> {
  const files = { html: join(folder, "report.html"), json: join(folder, "report.json"), csv: join(folder, "answers.csv") };
  await writeFileAtomically(files.json, `${JSON.stringify(data, null, 1)}\n`);
  await writeFileAtomically(files.csv, reportCsv(data));
  await writeFileAtomically(files.html, renderReport(data));
  const unreadCsv = join(folder, "unread-documents.csv");
  if (!data.unreadDocuments?.length) {
    rmSync(unreadCsv, { force: true });
    return files;
  }
  await writeFileAtomically(unreadCsv, unreadDocumentsCsv(data));
  return { ...files, unreadCsv };
}

/** @throws FileAccessError, DataError */
export function readReport(folder: string): ReportData {
  const path = join(folder, "report.json");
  const data = readJson(path) as ReportData;
  if (!Array.isArray(data?.questions) || !Array.isArray(data?.answers) || !data.summary) {
    throw new DataError({ file: path }, "expected a report of remora, found other JSON", "Name the folder that remora eval wrote.");
  }
  return data;
}

/** The page's own file. Notes on answers that are not in the report are kept: a later run may have them again. */
function readNotes(path: string): HumanNote[] {
  const { notes } = readJson(path) as { notes?: unknown };
  const isNote = (note: unknown): note is HumanNote =>
    typeof note === "object" &&
    note !== null &&
    typeof (note as HumanNote).variant === "string" &&
    typeof (note as HumanNote).id === "string";
  if (!Array.isArray(notes) || !notes.every(isNote)) {
    throw new DataError(
      { file: path },
      'expected {"notes": [{"variant", "id", "thumb", "note"}]}',
      "Save the file from the report's page again.",
    );
  }
  return notes;
}

/** With `notes` and `compare` applied; notes.json beside the report is read without being named. */
export function completeReport(
  data: ReportData,
  folder: string,
  options: { notes?: string; compare?: string; title?: string; language?: ReportLanguage },
): ReportData {
  const beside = join(folder, "notes.json");
  const path = options.notes ?? (existsSync(beside) ? beside : undefined);
  const earlier = options.compare === undefined ? undefined : readReport(options.compare);
  return {
    ...data,
    title: options.title ?? data.title,
    language: options.language ?? data.language,
    notes: path === undefined ? data.notes : readNotes(path),
    comparedWith: earlier ? { title: earlier.title, madeAt: earlier.madeAt, changes: compareRuns(earlier, data) } : data.comparedWith,
  };
}

function readJson(path: string): unknown {
  let content: string;
  try {
    content = readFileSync(path, "utf8");
  } catch (cause) {
    throw new FileAccessError("Reading", path, cause);
  }
  try {
    return JSON.parse(content);
  } catch (cause) {
    throw new DataError({ file: path }, "expected JSON, found something else", "Make it again with remora eval.", cause);
  }
}
