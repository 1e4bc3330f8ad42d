/**
 * What a command is: a schema, words for its help, and a function that runs it. Everything that all commands share (flags, `--config`,
 * `--json`, checking, interruption, how errors look) is in `run-cli.ts`.
 */
import type { z } from "zod";
import type { Io } from "./io.ts";
import type { Library } from "./library.ts";
import type { Style } from "./terminal/style.ts";

export interface CommandContext<Config> {
  /** Checked against the schema, fixed defaults filled. */
  config: Config;
  /** True: stdout carries JSON only. */
  json: boolean;
  io: Io;
  library: Library;
  /** Aborted by the first Ctrl-C. */
  signal: AbortSignal;
  /** Prose, to stderr, with its line end. */
  say(line: string): void;
  /** A result, to stdout, with its line end. */
  print(line: string): void;
  /** Colours for prose (stderr) and for results (stdout). */
  proseStyle: Style;
  resultStyle: Style;
}

export interface Command<S extends z.ZodObject = z.ZodObject> {
  /** `train`, `data preview`. */
  name: string;
  schema: S;
  /** Two or three sentences above the flags. */
  description: string;
  /** Below the flags: whole command lines. */
  examples: string[];
  /** Words after the flags: they become this option, as one text or as a list. */
  wordsAs?: { option: string; placeholder: string; list?: boolean };
  /** A command that reads keys itself handles Ctrl-C itself. */
  ownInterrupt?: boolean;
  /** @returns the exit code */
  run(context: CommandContext<z.output<S>>): Promise<number>;
}

/** Types a command; the schema decides the type of `config`. */
export function defineCommand<S extends z.ZodObject>(command: Command<S>): Command {
  return command as unknown as Command;
}
