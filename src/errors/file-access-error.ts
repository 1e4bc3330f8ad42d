import { RemoraError } from "./remora-error.ts";

const REASONS: Readonly<Record<string, { problem: string; next: string }>> = {
  ENOENT: { problem: "there is no such file or folder", next: "Check the path." },
  EACCES: { problem: "permission was refused", next: "Check who owns the file and its folder." },
  EPERM: { problem: "permission was refused", next: "Check who owns the file and its folder." },
  EISDIR: { problem: "expected a file, found a folder", next: "Name the file inside it." },
  ENOTDIR: { problem: "expected a folder, found a file", next: "Name the folder." },
  ENOSPC: { problem: "the disk is full", next: "Free some space and run again; nothing that was there before has been changed." },
  EDQUOT: { problem: "the disk quota is used up", next: "Free some space and run again; nothing that was there before has been changed." },
  EROFS: { problem: "the file system is read-only", next: "Choose another folder." },
  EMFILE: { problem: "too many files are open", next: "Raise the limit of open files (`ulimit -n`)." },
};

/** The operating system refused to open, read or write a file. `cause` keeps its own error. */
export class FileAccessError extends RemoraError {
  readonly path: string;

  /** @param doing `Reading`, `Writing` … */
  constructor(doing: string, path: string, cause: unknown) {
    const systemCode = typeof cause === "object" && cause !== null ? (cause as NodeJS.ErrnoException).code : undefined;
    const reason = REASONS[systemCode ?? ""];
    // Bad paths are the user's to fix (2); a full or broken disk is a failure (1).
    const bad = systemCode === "ENOENT" || systemCode === "EISDIR" || systemCode === "ENOTDIR";
    super("file-access", bad ? 2 : 1, {
      doing: `${doing} ${path}`,
      problem: reason?.problem ?? (cause instanceof Error ? cause.message : String(cause)),
      next: reason?.next,
      cause,
    });
    this.path = path;
  }
}
