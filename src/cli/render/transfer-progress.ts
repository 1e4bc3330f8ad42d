/** A push or a pull as a person watches it: one line with bytes, rate and time left on a terminal, a line now and then elsewhere. */
import { counted } from "../../errors/counted.ts";
import type { TransferEvent } from "../../hub/events.ts";
import type { Io } from "../io.ts";
import { bar, ProgressLine } from "../terminal/progress-line.ts";
import { showBytes, showCount, showSeconds } from "../terminal/quantities.ts";
import { styleFor } from "../terminal/style.ts";

/** Between two lines where there is no terminal. */
const LINE_EVERY_MS = 10_000;
/** Between two drawings on a terminal. */
const DRAW_EVERY_MS = 100;

export class TransferProgress {
  readonly #io: Io;
  readonly #line: ProgressLine;
  #verb = "";
  #startedAt = 0;
  #startBytes = 0;
  #shownAt = Number.NEGATIVE_INFINITY;

  constructor(io: Io) {
    this.#io = io;
    this.#line = new ProgressLine(io.stderr);
  }

  readonly show = (event: TransferEvent): void => {
    if (event.event === "transfer-start") this.#begin(event);
    else this.#advance(event);
  };

  end(): void {
    this.#line.end();
  }

  #advance(event: Exclude<TransferEvent, { event: "transfer-start" }>) {
    const now = this.#io.now();
    const { doneBytes, totalBytes, file } = event;
    if (event.event === "transfer-progress" && this.#startedAt === 0) {
      this.#startedAt = now;
      this.#startBytes = doneBytes;
    }
    const drawn = this.#io.stderr.isTerminal;
    if (now - this.#shownAt < (drawn ? DRAW_EVERY_MS : LINE_EVERY_MS) && !(drawn && doneBytes >= totalBytes)) return;
    this.#shownAt = now;
    const verb = event.event === "hash-progress" ? "comparing" : this.#verb;
    const rate = event.event === "transfer-progress" ? this.#rate(now, doneBytes, totalBytes) : "";
    const amount = `${showBytes(doneBytes)} of ${showBytes(totalBytes)}`;
    if (this.#io.stderr.isTerminal)
      this.#line.update(`${verb} ▕${bar(doneBytes / Math.max(1, totalBytes), 16)}▏ ${amount}${rate}  ${file}`);
    else if (event.event === "transfer-progress" && totalBytes > 0) this.#line.print(`  ${verb} ${amount}${rate}`);
  }

  #begin(event: Extract<TransferEvent, { event: "transfer-start" }>) {
    if (!this.#io.stderr.isTerminal) this.#shownAt = this.#io.now(); // short transfers need no lines in between
    const style = styleFor(this.#io.stderr, this.#io.env);
    const push = event.direction === "push";
    this.#verb = push ? "sending" : "fetching";
    const notes = [
      event.unchanged > 0 ? `${showCount(event.unchanged)} ${push ? "unchanged" : "in the cache"}` : "",
      event.skipped > 0 ? `${showCount(event.skipped)} left out` : "",
    ].filter((note) => note !== "");
    const what = event.files === 0 ? `nothing to ${push ? "send" : "fetch"}` : `${counted(event.files, "file")}, ${showBytes(event.bytes)}`;
    this.#line.print(
      `${style.bold(push ? "push" : "pull")}  ${event.repository}  ${what}${notes.length > 0 ? ` (${notes.join(", ")})` : ""}`,
    );
  }

  #rate(now: number, doneBytes: number, totalBytes: number): string {
    const seconds = (now - this.#startedAt) / 1000;
    if (seconds < 0.5 || doneBytes <= this.#startBytes) return "";
    const perSecond = (doneBytes - this.#startBytes) / seconds;
    return ` · ${showBytes(perSecond)}/s · ${showSeconds((totalBytes - doneBytes) / perSecond)} left`;
  }
}
