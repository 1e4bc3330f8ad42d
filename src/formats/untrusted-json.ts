/**
 * JSON from files that anybody may have written. `JSON.parse` keeps the last of two equal keys without a word, which would let a file show one
 * tensor and load another, and what it makes of a million open brackets overflows the stack of whoever walks it. Both are refused here.
 */

/** Real headers and configs nest fewer than ten levels deep. */
const MAX_JSON_DEPTH = 64;

/** @throws Error with a short text when `bytes` are not UTF-8, not JSON, nest too deep or repeat a key within one object */
export function parseUntrustedJson(bytes: Uint8Array): unknown {
  const text = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
  checkStructure(text);
  return JSON.parse(text);
}

/** Walks strings and brackets only; text that is not JSON passes and is left to JSON.parse. */
function checkStructure(json: string): void {
  // One entry an open bracket: the keys seen so far in an object, null in an array.
  const open: (Set<string> | null)[] = [];
  for (let at = 0; at < json.length; at++) {
    const character = json.charCodeAt(at);
    if (character === OPEN_BRACE || character === OPEN_BRACKET) {
      if (open.length === MAX_JSON_DEPTH) throw new Error(`more than ${MAX_JSON_DEPTH} levels of brackets`);
      open.push(character === OPEN_BRACE ? new Set() : null);
    } else if (character === CLOSE_BRACE || character === CLOSE_BRACKET) {
      open.pop();
    } else if (character === QUOTE) {
      const start = at;
      for (at++; at < json.length && json.charCodeAt(at) !== QUOTE; at++) if (json.charCodeAt(at) === BACKSLASH) at++;
      const keys = open.at(-1);
      if (!keys || !isKey(json, at + 1)) continue;
      const raw = json.slice(start, at + 1);
      const key = raw.includes("\\") ? (JSON.parse(raw) as string) : raw.slice(1, -1);
      if (keys.has(key)) throw new Error(`the key "${clip(key)}" twice`);
      keys.add(key);
    }
  }
}

const [QUOTE, BACKSLASH, OPEN_BRACE, CLOSE_BRACE, OPEN_BRACKET, CLOSE_BRACKET] = [34, 92, 123, 125, 91, 93];

/** A string is a key when the next thing after it is a colon. */
function isKey(json: string, at: number): boolean {
  while (json[at] === " " || json[at] === "\n" || json[at] === "\r" || json[at] === "\t") at++;
  return json[at] === ":";
}

export const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === "object" && value !== null && !Array.isArray(value);

/** A whole number from 0 to 2^53 − 1. */
export const isCount = (value: unknown): value is number => Number.isSafeInteger(value) && (value as number) >= 0;

/** Text short enough for a message. */
export const clip = (text: string): string => (text.length > 120 ? `${text.slice(0, 117)}…` : text);

/** A value as it stands in the file, short enough for a message. */
export function describeValue(value: unknown): string {
  if (value === undefined) return "nothing";
  if (Array.isArray(value) && value.length > 20) return `an array of ${value.length} values`;
  return clip(JSON.stringify(value));
}
