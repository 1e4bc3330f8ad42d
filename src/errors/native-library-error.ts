import { RemoraError } from "./remora-error.ts";

/** The native library is missing, cannot be opened, or was built from another version of the header. */
export class NativeLibraryError extends RemoraError {
  readonly searched: readonly string[];

  constructor(problem: string, next: string, searched: readonly string[] = [], cause?: unknown) {
    super("native-library", 1, { doing: "Opening the CPU kernels", problem, next, cause });
    this.searched = searched;
  }
}
