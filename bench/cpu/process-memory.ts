/** This process's memory as Linux counts it; elsewhere Node's own figure. */
import { readFileSync } from "node:fs";

function statusBytes(field: string): number | undefined {
  try {
    const line = readFileSync("/proc/self/status", "utf8")
      .split("\n")
      .find((candidate) => candidate.startsWith(`${field}:`));
    return line ? Number(line.split(/\s+/)[1]) * 1024 : undefined;
  } catch {
    return undefined;
  }
}

export function residentBytes(): number {
  return statusBytes("VmRSS") ?? process.memoryUsage().rss;
}

/** Most that was ever resident. */
export function peakResidentBytes(): number {
  return statusBytes("VmHWM") ?? process.resourceUsage().maxRSS * 1024;
}
