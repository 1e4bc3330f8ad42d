import type { MemoryPlan } from "../config/reports.ts";
import { planKnobs, planTable } from "./plan-error.ts";
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
  cause?: unknown;
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
      cause: parts.cause,
      next: parts.next ?? "Make the batch or the block shorter, recompute activations, or use 4-bit base weights.",
    });
    this.device = parts.device;
    this.neededBytes = parts.neededBytes;
    this.freeBytes = parts.freeBytes;
  }
}

/** The same error with what the plan had counted and what to turn: for a run that ran out of memory although it was planned. */
export function withPlan(error: OutOfMemoryError, plan: MemoryPlan): OutOfMemoryError {
  const { doing, device, neededBytes, freeBytes } = error;
  const counted = `The plan counted ${showBytes(plan.totalBytes)} of ${showBytes(plan.availableBytes)} free: ${planTable(plan)}.`;
  const knobs = planKnobs(plan) || "a smaller model";
  const next = `${counted}\n  Try ${knobs}. The last checkpoint, if there is one, is intact: go on from it with --resume.`;
  return new OutOfMemoryError({ doing, device, neededBytes, freeBytes, next, cause: error });
}

/** Decimal units, as memory is sold: 1 GB = 10⁹ bytes. */
function showBytes(bytes: number): string {
  if (bytes >= 1e9) return `${(bytes / 1e9).toFixed(1)} GB`;
  if (bytes >= 1e6) return `${(bytes / 1e6).toFixed(1)} MB`;
  return `${bytes} bytes`;
}
