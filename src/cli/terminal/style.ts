/** Colours, or none: for pipes, for `NO_COLOR`, and for terminals that call themselves dumb. */
import type { Io, Output } from "../io.ts";

const CODES = {
  bold: [1, 22],
  dim: [2, 22],
  italic: [3, 23],
  underline: [4, 24],
  red: [31, 39],
  green: [32, 39],
  yellow: [33, 39],
  blue: [34, 39],
  magenta: [35, 39],
  cyan: [36, 39],
} as const;

export type StyleName = keyof typeof CODES;
export type Style = { readonly enabled: boolean } & Record<StyleName, (text: string) => string>;

export function createStyle(enabled: boolean): Style {
  const paint = (name: StyleName) => (text: string) =>
    enabled && text !== "" ? `\x1b[${CODES[name][0]}m${text}\x1b[${CODES[name][1]}m` : text;
  const style = { enabled } as { enabled: boolean } & Record<StyleName, (text: string) => string>;
  for (const name of Object.keys(CODES) as StyleName[]) style[name] = paint(name);
  return style;
}

/** `NO_COLOR` (any text) turns colours off, `FORCE_COLOR` on; else a terminal has them. */
export function styleFor(output: Output, env: Io["env"]): Style {
  if (env.NO_COLOR) return createStyle(false);
  if (env.FORCE_COLOR && env.FORCE_COLOR !== "0") return createStyle(true);
  return createStyle(output.isTerminal && env.TERM !== "dumb");
}

/** The escape sequence that starts a style; for text whose end is not known yet. */
export const opening = (name: StyleName) => `\x1b[${CODES[name][0]}m`;
export const closing = (name: StyleName) => `\x1b[${CODES[name][1]}m`;
