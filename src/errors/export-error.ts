import { RemoraError } from "./remora-error.ts";

/** A model that the format asked for cannot hold. */
export class ExportError extends RemoraError {
  constructor(doing: string, problem: string, next?: string) {
    super("export", 2, { doing, problem, next });
  }
}
