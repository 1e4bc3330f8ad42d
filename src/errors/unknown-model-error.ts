import { RemoraError } from "./remora-error.ts";

/** A model's `model_type` is one that remora has no forward pass for. */
export class UnknownModelError extends RemoraError {
  readonly modelType: string | undefined;

  constructor(where: string, modelType: string | undefined, supported: readonly string[]) {
    super("unknown-model", 2, {
      doing: `Reading the model ${where}`,
      problem:
        modelType === undefined
          ? "its config.json has no model_type"
          : `model_type is ${JSON.stringify(modelType)}, which remora cannot run`,
      next: `Supported: ${supported.join(", ")}.`,
    });
    this.modelType = modelType;
  }
}
