import { RemoraError } from "./remora-error.ts";

/** A model's files lack a parameter that its config.json calls for. */
export class MissingWeightError extends RemoraError {
  readonly parameter: string;

  constructor(model: string, parameter: string) {
    super("missing-weight", 2, {
      doing: `Loading ${model}`,
      problem: `expected the parameter ${parameter}, found none of that name`,
      next: "The download may be incomplete, or config.json belongs to another model.",
    });
    this.parameter = parameter;
  }
}
