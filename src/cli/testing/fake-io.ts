/** A world for tests of the command line: streams that remember, a clock that ticks, Ctrl-C on demand. */
import { Readable } from "node:stream";
import type { Io, Output } from "../io.ts";
import type { Library } from "../library.ts";

export interface FakeIo extends Io {
  out(): string;
  err(): string;
  /** Presses Ctrl-C. */
  interrupt(): void;
  /** Changes the width of both streams. */
  resize(columns: number): void;
  exits: number[];
}

export interface FakeIoOptions {
  terminal?: boolean;
  columns?: number;
  env?: Record<string, string>;
  stdin?: string;
}

export function fakeIo(library: Partial<Library>, options: FakeIoOptions = {}): FakeIo {
  const stdout = fakeOutput(options);
  const stderr = fakeOutput(options);
  const listeners = new Set<() => void>();
  let clock = 0;
  const exits: number[] = [];
  return {
    stdout,
    stderr,
    stdin: Readable.from(options.stdin === undefined ? [] : [options.stdin]),
    env: options.env ?? {},
    now: () => (clock += 250),
    onInterrupt(listener) {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    exitNow: (code) => exits.push(code),
    library: async () => library as Library,
    out: () => stdout.text,
    err: () => stderr.text,
    interrupt: () => {
      for (const listener of [...listeners]) listener();
    },
    resize(columns) {
      stdout.resize(columns);
      stderr.resize(columns);
    },
    exits,
  };
}

function fakeOutput({ terminal = false, columns = 80 }: FakeIoOptions): Output & { text: string; resize(columns: number): void } {
  const listeners = new Set<() => void>();
  return {
    text: "",
    isTerminal: terminal,
    columns,
    write(text) {
      this.text += text;
    },
    onResize(listener) {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    resize(width: number) {
      (this as { columns: number }).columns = width;
      for (const listener of listeners) listener();
    },
  };
}
