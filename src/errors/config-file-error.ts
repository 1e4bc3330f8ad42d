import { RemoraError } from "./remora-error.ts";

/** A configuration file cannot be read, parsed or run. */
export class ConfigFileError extends RemoraError {
  readonly path: string;

  constructor(path: string, problem: string, options: { next?: string; cause?: unknown } = {}) {
    super("config-file", 2, { doing: `Reading the configuration ${path}`, problem, next: options.next, cause: options.cause });
    this.path = path;
  }
}
