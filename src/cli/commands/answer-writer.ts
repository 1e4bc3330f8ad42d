/** An answer on its way to stdout: Markdown drawn for a person, exactly the model's text for a pipe. */
import type { Output } from "../io.ts";
import { MarkdownStream } from "../terminal/markdown-stream.ts";
import type { Style } from "../terminal/style.ts";

/** Control characters other than tab and line end: a terminal would obey them, and a model's words are not ours. */
const CONTROLS = /[\x00-\x08\x0b-\x1f\x7f-\x9f]/g;

export class AnswerWriter {
  readonly #output: Output;
  readonly #markdown: MarkdownStream | undefined;
  #endsLine = true;

  constructor(output: Output, style: Style) {
    this.#output = output;
    if (output.isTerminal && style.enabled) this.#markdown = new MarkdownStream((text) => output.write(text));
  }

  push(text: string): void {
    if (text === "") return;
    this.#endsLine = text.endsWith("\n");
    const shown = this.#output.isTerminal ? text.replace(CONTROLS, "") : text;
    if (this.#markdown) this.#markdown.push(shown);
    else this.#output.write(shown);
  }

  /** Ends the last line, when there is one. */
  end(): void {
    this.#markdown?.end();
    if (!this.#endsLine) this.#output.write("\n");
    this.#endsLine = true;
  }
}
