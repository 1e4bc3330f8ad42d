import { RemoraError } from "./remora-error.ts";

/** Bytes that came from the Hub are not the ones it announced. They were thrown away. */
export class HubIntegrityError extends RemoraError {
  readonly file: string;

  constructor(doing: string, file: string, problem: string) {
    super("hub-integrity", 1, {
      doing,
      problem: `${file}: ${problem}`,
      next: "Nothing of it was kept. Run the command again; if it stays so, the file on the server, a proxy or a mirror is damaged.",
    });
    this.file = file;
  }
}
