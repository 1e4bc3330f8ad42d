/**
 * Everything the command line touches of the world: streams, environment, signals, and the library itself. A test hands in its own.
 *
 * Progress and prose go to `stderr`, results to `stdout`, so that a pipe receives results only.
 */
import type { Readable } from "node:stream";
import type { Library } from "./library.ts";

/** A stream to a person or to a file. */
export interface Output {
  write(text: string): void;
  /** True when a person watches: colours and redrawing make sense. */
  readonly isTerminal: boolean;
  /** Width in cells; changes when the window does. */
  readonly columns: number;
  /** Calls back when the width changed; returns the way to stop listening. */
  onResize(listener: () => void): () => void;
}

export interface Io {
  readonly stdout: Output;
  readonly stderr: Output;
  readonly stdin: Readable & { isTTY?: boolean };
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Milliseconds of a clock that only goes forward. */
  now(): number;
  /** Calls back at every SIGINT or SIGTERM; returns the way to stop listening. */
  onInterrupt(listener: () => void): () => void;
  /** Ends the process at once. */
  exitNow(code: number): void;
  /** Loads what does the work; late, so that `--help` is instant. */
  library(): Promise<Library>;
}
