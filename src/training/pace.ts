/** The speed of a loop that waits for its device only at reports: between two reports, and over all that was measured. */

/** Where a loop stood at a moment when the device had caught up. */
export interface Mark {
  readonly step: number;
  readonly tokens: number;
  /** Milliseconds. */
  readonly at: number;
}

export class Pace {
  #reported: Mark = { step: 0, tokens: 0, at: 0 };
  #measuredFrom: Mark | undefined;

  begin(mark: Mark): void {
    this.#reported = mark;
  }

  measureFrom(mark: Mark): void {
    this.#measuredFrom = mark;
  }

  get reportedStep(): number {
    return this.#reported.step;
  }

  /** @returns the speed since the report before */
  report(mark: Mark): { stepMs: number; tokensPerSecond: number } {
    const before = this.#reported;
    this.#reported = mark;
    const elapsedMs = mark.at - before.at;
    return {
      stepMs: elapsedMs / Math.max(1, mark.step - before.step),
      tokensPerSecond: ((mark.tokens - before.tokens) * 1000) / Math.max(1e-3, elapsedMs),
    };
  }

  /** Mean over the measured steps, evaluations included; undefined before the first of them was reported. */
  get meanStepMs(): number | undefined {
    const [from, to] = [this.#measuredFrom, this.#reported];
    return from === undefined || to.step <= from.step ? undefined : (to.at - from.at) / (to.step - from.step);
  }
}
