import { RemoraError } from "./remora-error.ts";

/** The loss or the gradient became NaN or infinite. The last checkpoint is untouched. */
export class NotFiniteError extends RemoraError {
  readonly step: number;
  readonly quantity: string;
  /** Where it was first found: a trained tensor's path, or the row of the batch. */
  readonly where: string | undefined;

  constructor(step: number, quantity: string, value: number, learningRate: number, where?: string) {
    super("not-finite", 1, {
      doing: `Training step ${step}`,
      problem: `expected a finite ${quantity}, found ${value}${where ? ` (first in ${where})` : ""}; nothing of this step was kept`,
      next: `The last checkpoint is intact. Go on from it with --resume and a lower --learning-rate (now ${learningRate.toExponential(2)}), or look at the rows of this step.`,
    });
    this.step = step;
    this.quantity = quantity;
    this.where = where;
  }
}
