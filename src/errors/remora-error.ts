/**
 * The base of every error remora throws on purpose.
 *
 * A message has three parts: what was being done and where, expected against found, and what to do next. The parts stay readable as data;
 * the front door (command line, server) alone decides how they look. Each concrete error is one file beside this one.
 */

const MARKER = Symbol.for("remora.error");

export interface RemoraErrorParts {
  /** What was being done, and where: file, row, column, parameter path. A sentence without its full stop. */
  doing: string;
  /** What is wrong: expected against found. */
  problem: string;
  /** What the user can do tonight. */
  next?: string;
  cause?: unknown;
}

export class RemoraError extends Error {
  /** Stable, in kebab-case: `out-of-memory`. */
  readonly code: string;
  /** 1 failed, 2 bad usage or bad input, 130 interrupted. */
  readonly exitCode: number;
  readonly doing: string;
  readonly problem: string;
  readonly next: string | undefined;

  constructor(code: string, exitCode: number, parts: RemoraErrorParts) {
    super(
      `${parts.doing}: ${parts.problem}${parts.next ? `\n  ${parts.next}` : ""}`,
      parts.cause === undefined ? undefined : { cause: parts.cause },
    );
    this.name = new.target.name;
    this.code = code;
    this.exitCode = exitCode;
    this.doing = parts.doing;
    this.problem = parts.problem;
    this.next = parts.next;
    Object.defineProperty(this, MARKER, { value: true });
  }

  /**
   * True for an error of the class it is asked of, also when it comes from another copy of the package or crossed a worker's border as data;
   * there the class is known by its name.
   */
  static isInstance<E>(this: abstract new (...parts: never[]) => E, error: unknown): error is E {
    // biome-ignore lint/complexity/noThisInStatic: inherited, and meant for the class that it is called on
    return isOfClass(this, error);
  }
}

function isOfClass(asked: abstract new (...parts: never[]) => unknown, error: unknown): boolean {
  if (error instanceof asked) return true;
  if (typeof error !== "object" || error === null || (error as Record<symbol, unknown>)[MARKER] !== true) return false;
  return asked.name === RemoraError.name || asked.name === (error as unknown as Error).name;
}
