import { RemoraError } from "./remora-error.ts";

/** A field of a model's config.json (or a GGUF file's metadata) has a value that remora cannot use. */
export class ConfigValueError extends RemoraError {
  readonly field: string;

  constructor(field: string, expected: string, found: unknown, next?: string) {
    super("config-value", 2, {
      doing: `Reading the model's ${field}`,
      problem: `expected ${expected}, found ${JSON.stringify(found)}`,
      next,
    });
    this.field = field;
  }
}
