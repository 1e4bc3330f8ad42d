import { RemoraError } from "./remora-error.ts";

export interface FileFormatErrorParts {
  /** `safetensors`, `GGUF`, `JSON`, `adapter` … as a person calls it. */
  format: string;
  path: string;
  /** What inside the file: a field, a tensor, a byte offset. */
  where?: string;
  expected: string;
  found: string;
  next?: string;
  cause?: unknown;
}

/** A file does not hold what its format promises: truncated, damaged, hostile, or of a kind that remora does not read. */
export class FileFormatError extends RemoraError {
  readonly format: string;
  readonly path: string;
  readonly where: string | undefined;
  readonly expected: string;
  readonly found: string;

  constructor(parts: FileFormatErrorParts) {
    super("file-format", 2, {
      doing: `Reading ${parts.format} ${parts.path}${parts.where ? `, ${parts.where}` : ""}`,
      problem: `expected ${parts.expected}, found ${parts.found}`,
      next: parts.next ?? "The file is damaged or incomplete: download or copy it again.",
      cause: parts.cause,
    });
    this.format = parts.format;
    this.path = parts.path;
    this.where = parts.where;
    this.expected = parts.expected;
    this.found = parts.found;
  }
}
