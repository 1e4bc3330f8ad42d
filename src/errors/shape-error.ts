import { RemoraError } from "./remora-error.ts";

/** Two shapes do not fit. `where` names the op or the parameter path. */
export class ShapeError extends RemoraError {
  readonly where: string;
  readonly expected: readonly number[] | string;
  readonly found: readonly number[] | string;

  constructor(where: string, expected: readonly number[] | string, found: readonly number[] | string, next?: string) {
    const show = (shape: readonly number[] | string) => (typeof shape === "string" ? shape : `[${shape.join(", ")}]`);
    super("shape", 2, { doing: where, problem: `expected ${show(expected)}, found ${show(found)}`, next });
    this.where = where;
    this.expected = expected;
    this.found = found;
  }
}
