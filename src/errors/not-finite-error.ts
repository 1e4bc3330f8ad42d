import { RemoraError } from "./remora-error.ts";

/** The loss or the gradient became NaN or infinite. The last checkpoint is untouched. */
export class NotFiniteError extends RemoraError {
  readonly step: number;
  readonly quantity: string;

  constructor(step: number, quantity: string, value: number, learningRate: number) {
    super("not-finite", 1, {
      doing: `Training step ${step}`,
      problem: `expected a finite ${quantity}, found ${value}; nothing of this step was kept`,
      next: `The last checkpoint is intact. Go on from it with --resume and a lower --learning-rate (now ${learningRate.toExponential(2)}), or look at the rows of this step.`,
    });
    this.step = step;
    this.quantity = quantity;
  }
}
