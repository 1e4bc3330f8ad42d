import { RemoraError } from "./remora-error.ts";

/** An array has an element type that the op does not take there. `where` names the op or the parameter path. */
export class DTypeError extends RemoraError {
  readonly where: string;
  readonly expected: string;
  readonly found: string;

  constructor(where: string, expected: string, found: string, next?: string) {
    super("dtype", 2, { doing: where, problem: `expected ${expected}, found ${found}`, next });
    this.where = where;
    this.expected = expected;
    this.found = found;
  }
}
