import { RemoraError } from "./remora-error.ts";

/** A save that does not answer like what was trained. Nothing stays under the name asked for. */
export class ProofError extends RemoraError {
  /** The whole `SaveReport` as JSON. */
  readonly report: string;

  constructor(path: string, problem: string, next: string, report: string) {
    super("proof", 1, { doing: `Proving ${path} against the tuned model`, problem, next });
    this.report = report;
  }
}
