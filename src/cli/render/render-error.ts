/**
 * How an error looks to a person, and as JSON. The front door alone decides this; errors carry their parts as data.
 */
import { inspect } from "node:util";
import { RemoraError } from "../../errors/remora-error.ts";
import { cleanText } from "../../retrieval/documents/document.ts";
import type { Io } from "../io.ts";
import type { Style } from "../terminal/style.ts";

/** System errors that a user can act on, by code. */
const SYSTEM: Record<string, { problem: string; next: string }> = {
  ENOSPC: {
    problem: "the disk is full",
    next: "Free some space, or write to another disk with --out; what was written before is complete.",
  },
  EDQUOT: { problem: "the disk quota is used up", next: "Free some space, or write to another disk with --out." },
  EACCES: { problem: "permission denied", next: "Check who owns the file or folder, or choose another one." },
  EPERM: { problem: "operation not permitted", next: "Check who owns the file or folder, or choose another one." },
  EROFS: { problem: "the disk is read-only", next: "Choose a folder on another disk." },
  ENOENT: { problem: "there is no such file or folder", next: "Check the path." },
  EISDIR: { problem: "expected a file, found a folder", next: "Check the path." },
  ENOTDIR: { problem: "expected a folder, found a file", next: "Check the path." },
  EMFILE: { problem: "too many files are open", next: "Raise the limit with `ulimit -n 4096` and run the command again." },
};

export interface RenderedError {
  code: string;
  exitCode: number;
  doing: string;
  problem: string;
  next?: string;
}

/** The three parts of any error, whether remora threw it on purpose or not. */
export function errorParts(error: unknown): RenderedError {
  if (RemoraError.isInstance(error)) {
    const { code, exitCode, doing, problem, next } = error;
    return next === undefined ? { code, exitCode, doing, problem } : { code, exitCode, doing, problem, next };
  }
  const system = error as NodeJS.ErrnoException;
  const known = typeof system?.code === "string" ? SYSTEM[system.code] : undefined;
  if (known) {
    const doing = `${system.syscall ?? "Using"}${system.path ? ` ${system.path}` : " a file"}`;
    return { code: system.code!.toLowerCase(), exitCode: 1, doing, ...known };
  }
  return {
    code: "unexpected",
    exitCode: 1,
    doing: "Something went wrong inside remora",
    problem: error instanceof Error ? `${error.name}: ${error.message}` : String(error),
    next: "This is a bug. Please report it with what you ran, `remora doctor --json`, and the output of the same command with REMORA_DEBUG=1.",
  };
}

/** Lines for a terminal: what was being done, what is wrong, what to do; the stack only with `REMORA_DEBUG=1`. */
export function renderError(error: unknown, style: Style, env: Io["env"]): string {
  // Names of files and what was found in them may command a terminal.
  const { doing, problem, next = "" } = errorParts(error);
  const lines = [`${style.red(style.bold("error:"))} ${style.bold(cleanText(doing))}`];
  for (const line of cleanText(problem).split("\n")) lines.push(`  ${line}`);
  for (const line of next === "" ? [] : cleanText(next).split("\n")) lines.push(`  ${style.cyan(line)}`);
  if (env.REMORA_DEBUG === "1") lines.push("", inspect(error, { colors: style.enabled, depth: 6 }));
  return lines.join("\n");
}
