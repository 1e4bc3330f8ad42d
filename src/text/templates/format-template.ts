/**
 * A prompt template written as Python-style text: three `{}` in the order instruction, input, output, or named `{instruction}` fields.
 *
 * `{{` and `}}` stand for single braces, as in Python's `str.format`. The place of the output is known when the text is read, so nothing is
 * searched for in what is rendered. The end-of-text that people append by hand (`template.format(…) + eos`) is added by remora.
 */
import { TemplateError } from "../../errors/template-error.ts";
import type { Tokenizer } from "../tokenizer.ts";
import { makeProtector, privateCharacters } from "./guard.ts";
import type { Rendered, Template, TemplateRow } from "./template.ts";

const POSITIONAL = ["instruction", "input", "output"] as const;

type Part = { literal: string } | { field: string };

/** `{}`, `{name}`, `{{`, `}}`, or a lone brace. */
const TOKEN = /\{\{|\}\}|\{([A-Za-z_][A-Za-z0-9_]*)?\}|[{}]/g;

function parse(name: string, source: string): Part[] {
  const parts: Part[] = [];
  let literal = "";
  let end = 0;
  let positional = 0;
  for (const match of source.matchAll(TOKEN)) {
    literal += source.slice(end, match.index);
    end = match.index + match[0].length;
    if (match[0] === "{{" || match[0] === "}}") literal += match[0][0];
    else if (match[0].length === 1) {
      const line = source.slice(0, match.index).split("\n").length;
      throw new TemplateError(
        name,
        `found a lone "${match[0]}" at line ${line}`,
        `Write "${match[0]}${match[0]}" for a brace that is text.`,
      );
    } else {
      const field = match[1] ?? POSITIONAL[positional++] ?? `placeholder ${positional}`;
      parts.push({ literal }, { field });
      literal = "";
    }
  }
  parts.push({ literal: literal + source.slice(end) });
  if (positional > 0 && positional !== POSITIONAL.length) {
    throw new TemplateError(
      name,
      `expected three {} in the order instruction, input, output, found ${positional}`,
      "Write all three, or name them: {instruction}, {input}, {output}, {context}.",
    );
  }
  const outputs = parts.filter((part) => "field" in part && part.field === "output").length;
  if (outputs !== 1) {
    throw new TemplateError(
      name,
      outputs === 0
        ? "expected {output} where the response stands, found none: zero trained tokens"
        : `expected {output} once, found it ${outputs} times`,
      "Write the third {} or {output} exactly once, at the place of the response.",
    );
  }
  return parts;
}

export class FormatTemplate implements Template {
  readonly name: string;
  readonly kind = "prompt";
  readonly #before: readonly Part[];
  readonly #after: readonly Part[];
  readonly #protect: (text: string, guard: string) => string;

  constructor(name: string, source: string, tokenizer: Tokenizer) {
    this.name = name;
    const parts = parse(name, source.replace(/\r\n/g, "\n"));
    const output = parts.findIndex((part) => "field" in part && part.field === "output");
    this.#before = parts.slice(0, output);
    this.#after = parts.slice(output + 1);
    this.#protect = makeProtector(tokenizer.specialTokens);
  }

  render(row: TemplateRow): Rendered {
    const [guard] = privateCharacters([row], 1, this.name) as [string];
    const after = this.#fill(this.#after, row, guard);
    return {
      guard,
      segments: [
        { text: this.#fill(this.#before, row, guard), trained: false },
        { text: this.#protect(row.output ?? "", guard), trained: true },
        { text: after.trim() === "" ? "" : after, trained: false, endsAnswer: true },
      ],
    };
  }

  renderPrompt(row: TemplateRow): Rendered {
    const [guard] = privateCharacters([row], 1, this.name) as [string];
    return { guard, segments: [{ text: this.#fill(this.#before, row, guard), trained: false }] };
  }

  #fill(parts: readonly Part[], row: TemplateRow, guard: string): string {
    return parts.map((part) => ("literal" in part ? part.literal : this.#value(row, part.field, guard))).join("");
  }

  #value(row: TemplateRow, field: string, guard: string): string {
    const value = row[field];
    if (value !== undefined && value !== null) return this.#protect(String(value), guard);
    if (field === "input" || field === "context" || field === "system") return "";
    throw new TemplateError(
      this.name,
      `expected a value for {${field}}, found none in the row`,
      `The row has: ${Object.keys(row).join(", ") || "nothing"}. Map a column to ${field}, or give it as a constant.`,
    );
  }
}
