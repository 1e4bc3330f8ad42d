/**
 * Keeps a row's own words from turning into special tokens inside a rendered template.
 *
 * A template's text is trusted and may write `<|im_end|>`; a user's words may not. Both end up in one string, which must be encoded as one
 * (tokens may span their border). So a guard, a character no text contains, is put inside every special token that the words spell, and
 * at their ends where they could complete one together with a neighbour. Special tokens are then cut out of the rendered string, and the
 * guards removed from what is left, before ordinary encoding.
 */
import { TemplateError } from "../../errors/template-error.ts";

/** U+FDD0–U+FDEF: noncharacters, reserved by Unicode for use inside a program. */
const FIRST = 0xfdd0;
const COUNT = 32;

/** Noncharacters that occur in none of the values. */
export function privateCharacters(values: Iterable<unknown>, wanted: number, template: string): string[] {
  const used = new Set<string>();
  const visit = (value: unknown): void => {
    if (typeof value === "string") for (const match of value.matchAll(/[\uFDD0-\uFDEF]/gu)) used.add(match[0]);
    else if (Array.isArray(value)) for (const each of value) visit(each);
    else if (typeof value === "object" && value !== null) for (const each of Object.values(value)) visit(each);
  };
  for (const value of values) visit(value);
  const free = Array.from({ length: COUNT }, (_, i) => String.fromCharCode(FIRST + i)).filter((character) => !used.has(character));
  if (free.length < wanted) {
    throw new TemplateError(template, "the row uses nearly all of the noncharacters U+FDD0 to U+FDEF", "Remove them: no text needs them.");
  }
  return free.slice(0, wanted);
}

/** Builds `protect(text, guard)` for a tokenizer's special tokens. */
export function makeProtector(specialTokens: readonly string[]): (text: string, guard: string) => string {
  const specials = specialTokens.filter((token) => token.length > 1);
  const contents = new Set(specials);
  const prefixes = new Set(specials.flatMap((token) => cuts(token).map((cut) => token.slice(0, cut))));
  const suffixes = new Set(specials.flatMap((token) => cuts(token).map((cut) => token.slice(cut))));
  // most text is settled by looking at single characters
  const firstUnits = new Set(specials.map((token) => token.charCodeAt(0)));
  const prefixEnds = new Set([...prefixes].map((prefix) => prefix.charCodeAt(prefix.length - 1)));
  const suffixStarts = new Set([...suffixes].map((suffix) => suffix.charCodeAt(0)));
  const longest = Math.max(0, ...specials.map((token) => token.length));
  return (text, guard) => {
    if (text === "" || specials.length === 0) return text;
    let safe = "";
    let start = 0;
    for (let i = 0; i < text.length; i++) {
      if (!firstUnits.has(text.charCodeAt(i))) continue;
      for (let length = 2; length <= longest && i + length <= text.length; length++) {
        if (!contents.has(text.slice(i, i + length))) continue;
        safe += `${text.slice(start, i + 1)}${guard}`;
        start = i + 1;
        break;
      }
    }
    safe += text.slice(start);
    const size = Math.min(longest, text.length);
    if (prefixEnds.has(text.charCodeAt(text.length - 1))) {
      for (let n = 1; n <= size; n++) {
        if (!prefixes.has(text.slice(-n))) continue;
        safe += guard;
        break;
      }
    }
    if (suffixStarts.has(text.charCodeAt(0))) for (let n = 1; n <= size; n++) if (suffixes.has(text.slice(0, n))) return guard + safe;
    return safe;
  };
}

/** Places inside a token where two neighbours could meet; never inside a surrogate pair. */
function cuts(token: string): number[] {
  const places: number[] = [];
  for (let i = 1; i < token.length; i++) if (!/[\uDC00-\uDFFF]/.test(token[i]!)) places.push(i);
  return places;
}
