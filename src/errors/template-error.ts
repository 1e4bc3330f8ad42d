import { RemoraError } from "./remora-error.ts";

/** A prompt template cannot be read, or renders something that must not be trained on. `template` is its name or file. */
export class TemplateError extends RemoraError {
  readonly template: string;

  constructor(template: string, problem: string, next?: string, cause?: unknown) {
    super("template", 2, { doing: `Rendering template ${template}`, problem, next, cause });
    this.template = template;
  }
}
