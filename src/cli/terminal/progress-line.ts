/**
 * One line at the bottom of a terminal, redrawn in place; ordinary lines appear above it. Where there is no terminal it draws nothing.
 *
 * The line never wraps: it is cut to the window's width at each drawing and drawn again when the width changes.
 */
import type { Output } from "../io.ts";
import { cutToWidth } from "./display-width.ts";

const CLEAR = "\r\x1b[2K";

export class ProgressLine {
  readonly #output: Output;
  readonly #stopListening: () => void;
  #content = "";
  #drawn = false;

  constructor(output: Output) {
    this.#output = output;
    this.#stopListening = output.isTerminal ? output.onResize(() => this.#draw()) : () => {};
  }

  /** Replaces the line. Plain text, no colours: it must be cut safely. */
  update(content: string): void {
    if (!this.#output.isTerminal) return;
    this.#content = content;
    this.#draw();
  }

  /** Writes lines above; the progress line stays below them. */
  print(lines: string): void {
    this.#erase();
    this.#output.write(`${lines}\n`);
    if (this.#content !== "") this.#draw();
  }

  /** Removes the line for good. */
  end(): void {
    this.#erase();
    this.#content = "";
    this.#stopListening();
  }

  #draw(): void {
    this.#output.write(CLEAR + cutToWidth(this.#content, this.#output.columns - 1));
    this.#drawn = true;
  }

  #erase(): void {
    if (this.#drawn) this.#output.write(CLEAR);
    this.#drawn = false;
  }
}

/** A bar of `cells` cells, eighths of a cell being visible: `███▍    `. */
export function bar(share: number, cells: number): string {
  const eighths = Math.round(Math.min(1, Math.max(0, share)) * cells * 8);
  const full = Math.floor(eighths / 8);
  const rest = eighths % 8;
  return ("█".repeat(full) + (rest > 0 ? " ▏▎▍▌▋▊▉"[rest] : "")).padEnd(cells, " ");
}
