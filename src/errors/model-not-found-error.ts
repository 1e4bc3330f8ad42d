import { RemoraError } from "./remora-error.ts";

/** No model under the name that was given: not a path, not shipped, not in the Hugging Face cache. */
export class ModelNotFoundError extends RemoraError {
  /** As the user named it. */
  readonly model: string;

  constructor(model: string, problem: string, next: string) {
    super("model-not-found", 2, { doing: `Finding the model ${JSON.stringify(model)}`, problem, next });
    this.model = model;
  }
}
