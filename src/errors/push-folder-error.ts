import { RemoraError } from "./remora-error.ts";

/** The folder to publish cannot be published as it is. Nothing was sent. */
export class PushFolderError extends RemoraError {
  readonly path: string;

  constructor(path: string, problem: string, next: string) {
    super("push-folder", 2, { doing: `Preparing to publish ${path}`, problem, next });
    this.path = path;
  }
}
