import { RemoraError } from "./remora-error.ts";

/** One wrong option. */
export interface ConfigProblem {
  /** As written in a config file: `lora.rank`. Empty for the whole config. */
  readonly path: string;
  /** Expected against found. */
  readonly problem: string;
  /** The nearest valid name, when a name was not known. */
  readonly nearest?: string;
}

/** Options that do not fit their schema: all of them at once, each with its path. Nothing was read, loaded or written. */
export class ConfigError extends RemoraError {
  readonly problems: readonly ConfigProblem[];

  constructor(doing: string, problems: readonly ConfigProblem[], next?: string) {
    const lines = problems.map((p) => `${p.path ? `${p.path}: ` : ""}${p.problem}${p.nearest ? ` (did you mean ${p.nearest}?)` : ""}`);
    super("config", 2, {
      doing,
      problem: lines.length === 1 ? lines[0]! : `${lines.length} problems\n${lines.map((line) => `  - ${line}`).join("\n")}`,
      next,
    });
    this.problems = problems;
  }
}
