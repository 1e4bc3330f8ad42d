import { RemoraError } from "./remora-error.ts";

/** A model behind an address did not answer. */
export class ModelCallError extends RemoraError {
  readonly model: string;

  constructor(model: string, problem: string) {
    super("model-call", 1, {
      doing: `Asking ${model}`,
      problem,
      next: "Check the address, the key in the environment and the model's name; answers so far are kept.",
    });
    this.model = model;
  }
}
