/**
 * How much memory this process may still use. In a container the limit is the control group's, and its usage counts cached file pages, the
 * mapped weights among them, which the system gives back when asked: a checkpoint that was read a moment ago must not look like memory lost.
 */
import { readFileSync } from "node:fs";
import { freemem, totalmem } from "node:os";
import process from "node:process";

/** Version 2 and version 1 of control groups. */
const STATISTICS = ["/sys/fs/cgroup/memory.stat", "/sys/fs/cgroup/memory/memory.stat"];

export interface MemorySource {
  /** Bytes of the machine, and what it has available without swapping. */
  total: number;
  available: number;
  /** Limit of the container; 0 when there is none. */
  limit: number;
  /** What the container's limit leaves, cached files counted as used. */
  underLimit: number;
  /** Text of memory.stat, or null. */
  statistics: string | null;
}

export function freeMemory(source: MemorySource = readMemorySource()): number {
  const { total, available, limit, underLimit, statistics } = source;
  if (limit === 0 || limit >= total) return available;
  return Math.min(available, limit, underLimit + cachedFileBytes(statistics ?? ""));
}

/** Memory of the machine or of the container, whichever is smaller. */
export function usableMemory({ total, limit }: MemorySource = readMemorySource()): number {
  return limit === 0 ? total : Math.min(limit, total);
}

function readMemorySource(): MemorySource {
  const total = totalmem();
  // Node before 18.15 and 20.13 lacks these; without a limit constrainedMemory gives 0 or more than any machine has.
  const limit = process.constrainedMemory?.() ?? 0;
  const limited = limit > 0 && limit < total;
  const underLimit = limited ? (process.availableMemory?.() ?? freemem()) : 0;
  return { total, available: freemem(), limit, underLimit, statistics: limited ? readStatistics() : null };
}

function readStatistics(): string | null {
  for (const path of STATISTICS) {
    try {
      return readFileSync(path, "utf8");
    } catch {
      // not this version of control groups
    }
  }
  return null;
}

function cachedFileBytes(statistics: string): number {
  const value = (name: string) => Number(new RegExp(`^${name} (\\d+)$`, "m").exec(statistics)?.[1] ?? 0);
  return value("inactive_file") + value("active_file");
}
