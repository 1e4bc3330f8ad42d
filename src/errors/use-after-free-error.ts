import { RemoraError } from "./remora-error.ts";

/** A tensor was used after its memory went back to the arena: a bug in remora or in code built on its internals. */
export class UseAfterFreeError extends RemoraError {
  constructor(label: string, freedBy: string) {
    super("use-after-free", 1, { doing: `Using tensor ${label}`, problem: `its memory was freed by ${freedBy}` });
  }
}
