/**
 * Markdown as it streams from a model → styled text for a terminal, with nothing held back longer than it must be.
 *
 * A small machine over characters: at the start of a line it waits until the kind of the line is certain (heading, list item, quote, fence,
 * rule), within a line it waits only on a run of `*`, `_` or backquotes until the character after it shows whether it opens, closes or is just
 * itself. Whatever a model leaves open ends with its line, so one stray star cannot colour the rest of the answer. Tables stay as they are.
 */
import { closing, opening, type StyleName } from "./style.ts";

const MARKERS = new Set(["*", "_", "`"]);
/** What a line may start with while its kind is still open. */
const UNDECIDED = /^\s*(#{0,6}|[-*+]|[-*_ ]*|`{1,2}|~{0,2}|\d{1,3}[.)]?|>)$/;

export class MarkdownStream {
  readonly #write: (text: string) => void;
  #line = "";
  #atLineStart = true;
  #inFence = "";
  #run = "";
  #previous = " ";
  #open: StyleName[] = [];
  #code = false;

  /** @param write receives styled text, in pieces */
  constructor(write: (text: string) => void) {
    this.#write = write;
  }

  push(text: string): void {
    for (const character of text) {
      if (character === "\n") this.#endLine();
      else if (this.#atLineStart) this.#startLine(character);
      else this.#inline(character);
    }
  }

  /** The answer is over: writes what was held back and closes what is open. */
  end(): void {
    this.#flushLine();
  }

  #startLine(character: string): void {
    this.#line += character;
    if (this.#inFence !== "") {
      // Inside a fence only its own end matters, and it can be nothing but fence characters.
      if (/^\s{0,3}[`~]*$/.test(this.#line)) return;
      this.#atLineStart = false;
      const code = this.#line;
      this.#line = "";
      this.#write(`  ${opening("cyan")}${code}`);
      return;
    }
    if (/^\s*(```|~~~)/.test(this.#line) || UNDECIDED.test(this.#line)) return;
    this.#decide();
  }

  /** The line's kind is certain: writes its start and goes on within it. */
  #decide(): void {
    const line = this.#line;
    this.#line = "";
    this.#atLineStart = false;
    this.#previous = " ";
    const heading = /^\s{0,3}#{1,6}\s+/.exec(line);
    const item = /^(\s*)[-*+]\s+/.exec(line);
    const quote = /^\s{0,3}>\s?/.exec(line);
    const start = heading ?? item ?? quote;
    if (heading) this.#turn("bold");
    else if (item) this.#write(`${item[1]}• `);
    else if (quote) {
      this.#write("│ ");
      this.#turn("dim");
    }
    for (const character of start ? line.slice(start[0].length) : line) this.#inline(character);
  }

  #inline(character: string): void {
    if (this.#inFence !== "") {
      this.#write(character);
      return;
    }
    if (MARKERS.has(character) && (this.#run === "" || this.#run[0] === character) && (!this.#code || character === "`")) {
      this.#run += character;
      return;
    }
    this.#resolveRun(character);
    // A new run directly behind another kind of run: `**` then a backquote.
    if (MARKERS.has(character) && (!this.#code || character === "`")) {
      this.#run = character;
      return;
    }
    this.#write(character);
    this.#previous = character;
  }

  /** The run of markers before `next` opens, closes, or is just itself. */
  #resolveRun(next: string): void {
    const run = this.#run;
    if (run === "") return;
    this.#run = "";
    const marker = run[0]!;
    if (marker === "`") {
      this.#code = !this.#code;
      this.#turn("cyan");
      return;
    }
    const style: StyleName = run.length === 1 ? "italic" : "bold";
    const isOpen = this.#open.includes(style);
    const spaceBefore = /\s/.test(this.#previous);
    const spaceAfter = /\s/.test(next);
    const word = (text: string) => /[\p{L}\p{N}]/u.test(text);
    // An underscore inside a word is part of it: snake_case.
    const inWord = marker === "_" && word(this.#previous) && word(next);
    if (run.length <= 3 && !inWord && (isOpen ? !spaceBefore : !spaceAfter)) {
      this.#turn(style);
      if (run.length === 3) this.#turn("italic");
      return;
    }
    this.#write(run);
    this.#previous = marker;
  }

  #turn(style: StyleName): void {
    if (this.#open.includes(style)) {
      this.#open = this.#open.filter((other) => other !== style);
      this.#write(closing(style));
      // Bold and dim end with the same code; what is still open is opened again.
      for (const other of this.#open) this.#write(opening(other));
    } else {
      this.#open.push(style);
      this.#write(opening(style));
    }
  }

  #endLine(): void {
    this.#flushLine();
    this.#write("\n");
    this.#atLineStart = true;
    this.#previous = " ";
  }

  #flushLine(): void {
    const held = this.#line;
    if (this.#inFence !== "") {
      if (this.#atLineStart && held.trim() !== "" && held.trim().startsWith(this.#inFence)) this.#inFence = "";
      else if (this.#atLineStart) this.#write(`  ${opening("cyan")}${held}${closing("cyan")}`);
      else this.#write(closing("cyan"));
      this.#line = "";
      return;
    }
    const fence = this.#atLineStart ? /^\s*(```|~~~)\s*(\S*)/.exec(held) : null;
    if (fence) {
      this.#inFence = fence[1]!;
      if (fence[2]) this.#write(`  ${opening("dim")}${fence[2]}${closing("dim")}`);
    } else if (this.#atLineStart && /^\s*([-*_])(\s*\1){2,}\s*$/.test(held)) {
      this.#write("─".repeat(20));
    } else if (held !== "") {
      this.#decide();
    }
    this.#line = "";
    this.#resolveRun(" ");
    for (const style of this.#open.reverse()) this.#write(closing(style));
    this.#open = [];
    this.#code = false;
  }
}
