/** HTML that cannot be broken out of: every value put into the template is escaped, unless it is itself `Html`. */
export class Html {
  readonly text: string;
  constructor(text: string) {
    this.text = text;
  }
  toString(): string {
    return this.text;
  }
}

type Value = Html | string | number | undefined | null | false | readonly Value[];

export function html(parts: TemplateStringsArray, ...values: readonly Value[]): Html {
  return new Html(parts.reduce((text, part, index) => text + show(values[index - 1]) + part));
}

/** Text that is already HTML, made here and not by a model, a document or a user. */
export function trusted(text: string): Html {
  return new Html(text);
}

function escapeHtml(text: string): string {
  return text.replace(/[&<>"'`]/gu, (character) => `&#${character.codePointAt(0)};`);
}

function show(value: Value): string {
  if (value instanceof Html) return value.text;
  if (Array.isArray(value)) return (value as readonly Value[]).map(show).join("");
  return value === undefined || value === null || value === false ? "" : escapeHtml(String(value));
}
