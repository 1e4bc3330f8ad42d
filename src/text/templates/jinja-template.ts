/**
 * A prompt template written in Jinja: `{{ instruction }} … {{ output }}`.
 *
 * Where the response begins is found by construction: the template is rendered with a private character in place of the output, and what
 * stands before it is the prompt. The real rendering is then compared with the parts, so that a template that changes the output (trims it)
 * is followed, and one that lets the output change the prompt is refused.
 */
import { Template as Jinja } from "@huggingface/jinja";
import { TemplateError } from "../../errors/template-error.ts";
import type { Tokenizer } from "../tokenizer.ts";
import { makeProtector, privateCharacters } from "./guard.ts";
import { fixStrip, STRIP_FUNCTIONS } from "./python-strip.ts";
import type { Rendered, Template, TemplateRow } from "./template.ts";

/** Parses Jinja, turning the library's error into ours. */
export function parseJinja(name: string, source: string): Jinja {
  try {
    return fixStrip(new Jinja(source));
  } catch (cause) {
    throw new TemplateError(name, `expected a Jinja template, found: ${(cause as Error).message}`, "Correct the template's syntax.", cause);
  }
}

export function renderJinja(name: string, jinja: Jinja, values: Record<string, unknown>): string {
  try {
    return jinja.render({ ...values, ...STRIP_FUNCTIONS });
  } catch (cause) {
    throw new TemplateError(
      name,
      `the template stopped with: ${(cause as Error).message}`,
      "Check the template and the row's columns.",
      cause,
    );
  }
}

/** Names of special tokens that templates may write. */
export const tokenNames = (tokenizer: Tokenizer): Record<string, string> => ({
  bos_token: tokenizer.bos === undefined ? "" : (tokenizer.tokenOf(tokenizer.bos) ?? ""),
  eos_token: tokenizer.eos[0] === undefined ? "" : (tokenizer.tokenOf(tokenizer.eos[0]) ?? ""),
  pad_token: tokenizer.pad === undefined ? "" : (tokenizer.tokenOf(tokenizer.pad) ?? ""),
});

export class JinjaTemplate implements Template {
  readonly name: string;
  readonly kind = "prompt";
  readonly #jinja: Jinja;
  readonly #names: Record<string, string>;
  readonly #protect: (text: string, guard: string) => string;
  readonly #plainText: boolean;

  /** @param options  `plainText`: a row that has only a text is all response in training, and all prompt in asking */
  constructor(name: string, source: string, tokenizer: Tokenizer, options: { plainText?: boolean } = {}) {
    this.name = name;
    this.#plainText = options.plainText ?? false;
    this.#jinja = parseJinja(name, source);
    this.#names = tokenNames(tokenizer);
    this.#protect = makeProtector(tokenizer.specialTokens);
  }

  render(row: TemplateRow): Rendered {
    const isText = this.#plainText && row.output === undefined && row.text !== undefined;
    const { values, guard, slot } = this.#prepare(isText ? { ...row, output: row.text } : row);
    const [prompt, after] = this.#around(values, slot);
    const output = String(values.output ?? "");
    const whole = this.#run({ ...values, output });
    let answer = output;
    if (whole !== prompt + output + after) {
      if (!whole.startsWith(prompt) || !whole.endsWith(after) || whole.length < prompt.length + after.length) {
        throw new TemplateError(
          this.name,
          "expected the text around {{ output }} to be the same whatever the output is, found that it changes with the output",
          "Do not test or repeat output in the template: the prompt must be the same when asking, where no output exists.",
        );
      }
      answer = whole.slice(prompt.length, whole.length - after.length);
    }
    return {
      guard,
      segments: [
        { text: prompt, trained: false },
        { text: answer, trained: true },
        { text: after.trim() === "" ? "" : after, trained: false, endsAnswer: true },
      ],
    };
  }

  renderPrompt(row: TemplateRow): Rendered {
    const isText = this.#plainText && row.instruction === undefined && row.text !== undefined;
    const { values, guard, slot } = this.#prepare(isText ? { ...row, instruction: row.text } : row);
    return { guard, segments: [{ text: this.#around(values, slot)[0], trained: false }] };
  }

  /** Guarded values, and a private character to stand for the output. */
  #prepare(row: TemplateRow): { values: Record<string, unknown>; guard: string; slot: string } {
    const [guard, slot] = privateCharacters([row], 2, this.name) as [string, string];
    const protect = (value: unknown): unknown => {
      if (typeof value === "string") return this.#protect(value, guard);
      if (Array.isArray(value)) return value.map(protect);
      if (typeof value === "object" && value !== null)
        return Object.fromEntries(Object.entries(value).map(([key, each]) => [key, protect(each)]));
      return value;
    };
    return { values: protect(row) as Record<string, unknown>, guard, slot };
  }

  #run(values: Record<string, unknown>): string {
    return renderJinja(this.name, this.#jinja, {
      instruction: "",
      input: "",
      context: "",
      system: "",
      text: "",
      ...this.#names,
      ...values,
    });
  }

  #around(values: Record<string, unknown>, slot: string): [string, string] {
    const parts = this.#run({ ...values, output: slot }).split(slot);
    if (parts.length === 2) return parts as [string, string];
    throw new TemplateError(
      this.name,
      parts.length === 1
        ? "expected {{ output }} where the response stands, found that the rendered text lacks it: zero trained tokens"
        : `expected {{ output }} once, found it ${parts.length - 1} times`,
      "Write {{ output }} exactly once, at the place of the response.",
    );
  }
}
