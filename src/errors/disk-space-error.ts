import { RemoraError } from "./remora-error.ts";

/** Refused before the first byte: the result would not fit on the disk. */
export class DiskSpaceError extends RemoraError {
  readonly neededBytes: number;
  readonly freeBytes: number;

  constructor(path: string, neededBytes: number, freeBytes: number) {
    const gigabytes = (bytes: number) => `${(bytes / 1e9).toFixed(bytes < 1e8 ? 4 : 2)} GB`;
    super("disk-space", 1, {
      doing: `Preparing to write ${path}`,
      problem: `expected ${gigabytes(neededBytes)} of free disk, found ${gigabytes(freeBytes)}`,
      next: "Free some space, choose another --out, or a smaller --format; nothing has been written.",
    });
    this.neededBytes = neededBytes;
    this.freeBytes = freeBytes;
  }
}
