/** What one run has kept and refused so far: told as it comes, counted for the report, written in the end whatever ended it. */
import { join } from "node:path";
import { writeFileAtomically } from "../../formats/atomic-file.ts";
import { makeFolder } from "../../formats/make-folder.ts";
import { writeLines } from "../write-lines.ts";
import type { QuestionRow, QuestionsEvent, QuestionsReport, Rejected } from "./question-record.ts";

/** Known before the first question. */
export type StartFacts = Pick<QuestionsReport, "passages" | "duplicates" | "failures">;

export class QuestionLog {
  /** Passages tried so far. */
  tried = 0;
  readonly #out: string;
  /** Questions wanted. */
  readonly #count: number;
  readonly #start: StartFacts;
  readonly #onEvent: (event: QuestionsEvent) => void;
  readonly #rows: QuestionRow[] = [];
  readonly #rejected: Rejected[] = [];

  constructor({ out, count }: { out: string; count: number }, start: StartFacts, onEvent: (event: QuestionsEvent) => void) {
    this.#out = out;
    this.#count = count;
    this.#start = start;
    this.#onEvent = onEvent;
  }

  /** Before anything is paid for. @throws FileAccessError */
  makeFolder(): void {
    makeFolder(this.#out);
  }

  /** Questions, twins not counted. */
  get kept(): readonly QuestionRow[] {
    return this.#rows.filter(({ answerable }) => answerable);
  }

  keep(row: Omit<QuestionRow, "id">): QuestionRow {
    const kept = this.kept.length + 1;
    const named = { id: `q${kept}`, ...row };
    this.#rows.push(named);
    this.#onEvent({ event: "question-kept", row: named, kept, count: this.#count });
    return named;
  }

  keepTwin(row: QuestionRow): void {
    this.#rows.push(row);
  }

  reject(rejected: Rejected): void {
    this.#rejected.push(rejected);
    this.#onEvent({ event: "question-rejected", rejected });
  }

  async write(): Promise<void> {
    const { questions, rejected, report } = this.#files();
    await writeLines(questions, this.#rows);
    await writeLines(rejected, this.#rejected);
    await writeFileAtomically(report, `${JSON.stringify(this.report(), null, 2)}\n`);
  }

  report(): QuestionsReport {
    const { passages, duplicates, failures } = this.#start;
    const twins = this.#rows.filter(({ twin }) => twin !== undefined);
    return {
      files: this.#files(),
      passages,
      tried: this.tried,
      kept: this.kept.length,
      twins: twins.length,
      byGoal: countBy(this.kept.map(({ category }) => category)),
      byDifficulty: countBy(this.kept.map(({ difficulty }) => difficulty!)),
      rejected: countBy(this.#rejected.map(({ reason }) => reason.replace(/\d+/g, "n"))),
      twinsRefused: twins.filter(({ twin }) => twin!.refused).length,
      duplicates,
      failures,
    };
  }

  #files(): QuestionsReport["files"] {
    const at = (name: string) => join(this.#out, name);
    return { questions: at("questions.jsonl"), rejected: at("rejected.jsonl"), report: at("report.json") };
  }
}

function countBy(names: readonly string[]): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const name of names) counts[name] = (counts[name] ?? 0) + 1;
  return counts;
}
