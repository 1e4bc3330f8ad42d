import { RemoraError } from "./remora-error.ts";

export interface OutOfMemoryParts {
  /** What the memory was for: `Allocating "activations"`, `Planning this run`. */
  doing: string;
  /** `cpu`, `cuda:0`. */
  device: string;
  neededBytes: number;
  /** What the device had left, where it says. */
  freeBytes?: number;
  next?: string;
}

/** The device has not enough memory. Thrown by a backend when it allocates, and by the planner before anything is loaded. */
export class OutOfMemoryError extends RemoraError {
  readonly device: string;
  readonly neededBytes: number;
  readonly freeBytes: number | undefined;

  constructor(parts: OutOfMemoryParts) {
    const free = parts.freeBytes === undefined ? "refused it" : `has ${showBytes(parts.freeBytes)} free`;
    super("out-of-memory", 1, {
      doing: parts.doing,
      problem: `needs ${showBytes(parts.neededBytes)}; ${parts.device} ${free}`,
      next: parts.next ?? "Make the batch or the block shorter, recompute activations, or use 4-bit base weights.",
    });
    this.device = parts.device;
    this.neededBytes = parts.neededBytes;
    this.freeBytes = parts.freeBytes;
  }
}

/** Decimal units, as memory is sold: 1 GB = 10⁹ bytes. */
function showBytes(bytes: number): string {
  if (bytes >= 1e9) return `${(bytes / 1e9).toFixed(1)} GB`;
  if (bytes >= 1e6) return `${(bytes / 1e6).toFixed(1)} MB`;
  return `${bytes} bytes`;
}
