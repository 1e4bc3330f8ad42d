import { RemoraError } from "./remora-error.ts";

/** A page of the web was not read: refused by our own rules, by its robots.txt, or by its server. Others go on. */
export class WebError extends RemoraError {
  readonly url: string;

  constructor(url: string, problem: string, next?: string, cause?: unknown) {
    super("web", 1, { doing: `Reading ${url}`, problem, next, cause });
    this.url = url;
  }
}
