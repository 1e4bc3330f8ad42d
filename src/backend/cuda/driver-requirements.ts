/** What the kernels need from driver and card, and the sentences that say so. */
import type { CardFacts } from "./driver.ts";

/** CUDA major version → first Linux driver of it (NVIDIA's release notes, table "CUDA Toolkit and corresponding driver versions"). */
const FIRST_DRIVER: Readonly<Record<number, string>> = { 11: "450", 12: "525", 13: "580" };

/** Oldest card with machine code in the images: Turing (T4). */
const OLDEST_CARD = { major: 7, minor: 5 } as const;

/** Why the driver is too old for images made by `toolkit` ("13.0"), or null. Drivers run every toolkit of their own major version. */
export function driverProblem(driverVersion: number, toolkit: string): string | null {
  const needed = Number.parseInt(toolkit, 10);
  const found = Math.floor(driverVersion / 1000);
  if (found >= needed) return null;
  const release = FIRST_DRIVER[needed];
  return `the NVIDIA driver supports CUDA ${versionText(driverVersion)}; these kernels need CUDA ${needed}.0${release ? ` (driver ${release} or newer)` : ""}`;
}

/** Why the card cannot run the kernels, or null. */
export function cardProblem({ major, minor, model }: CardFacts): string | null {
  if (major > OLDEST_CARD.major || (major === OLDEST_CARD.major && minor >= OLDEST_CARD.minor)) return null;
  return `${model} has compute capability ${major}.${minor}; the kernels need ${OLDEST_CARD.major}.${OLDEST_CARD.minor} (Turing) or newer`;
}

/** 13020 → "13.2". */
export function versionText(version: number): string {
  return `${Math.floor(version / 1000)}.${Math.floor((version % 1000) / 10)}`;
}
