/**
 * Holds text back while it could be the beginning of a stop string.
 *
 * A stop string may arrive over several tokens. Text is released only when no stop string can begin in it any more; when one is complete,
 * the text before it is released and nothing after. The earliest match wins, and at the same place the one that is complete first.
 */
export class StopStrings {
  readonly #stops: readonly string[];
  #held = "";
  #stoppedBy: string | undefined;

  constructor(stops: readonly string[]) {
    this.#stops = stops.filter((stop) => stop !== "");
  }

  /** The stop string that ended the text, once one has. */
  get stoppedBy(): string | undefined {
    return this.#stoppedBy;
  }

  /** Takes new text, gives what is certain. */
  push(text: string): string {
    if (this.#stoppedBy !== undefined) return "";
    this.#held += text;
    let first = -1;
    for (const stop of this.#stops) {
      const at = this.#held.indexOf(stop);
      if (at >= 0 && (first < 0 || at < first || (at === first && stop.length < this.#stoppedBy!.length))) {
        first = at;
        this.#stoppedBy = stop;
      }
    }
    const sure = first >= 0 ? first : this.#held.length - this.#longestTail();
    const released = this.#held.slice(0, sure);
    this.#held = first >= 0 ? "" : this.#held.slice(sure);
    return released;
  }

  /** The generation is over: what was held back was no stop string. */
  end(): string {
    const rest = this.#held;
    this.#held = "";
    return rest;
  }

  /** Length of the longest end of the held text that begins a stop string. */
  #longestTail(): number {
    let longest = 0;
    for (const stop of this.#stops) {
      for (let n = Math.min(stop.length - 1, this.#held.length); n > longest; n--) {
        if (this.#held.endsWith(stop.slice(0, n))) longest = n;
      }
    }
    return longest;
  }
}
