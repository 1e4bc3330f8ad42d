import { RemoraError } from "./remora-error.ts";

/** Device memory was used after it was released, released twice, or belongs to another backend. */
export class ReleasedMemoryError extends RemoraError {
  readonly label: string;

  constructor(doing: string, label: string, problem: string) {
    super("released-memory", 1, {
      doing,
      problem: `"${label}" ${problem}`,
      next: "This is a bug in the code that holds it: keep the memory (or its scope) alive until the last op that reads it.",
    });
    this.label = label;
  }
}
