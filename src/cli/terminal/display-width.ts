/**
 * How many terminal cells a text takes: East Asian wide characters and emoji take two, marks and escape sequences none.
 * Ranges: Unicode 16, UAX #11 (W and F), coarse at block borders.
 */
const WIDE =
  /[\u1100-\u115f\u2e80-\u303e\u3041-\ua4cf\ua960-\ua97f\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe6f\uff00-\uff60\uffe0-\uffe6]|[\u{16fe0}-\u{18aff}\u{1b000}-\u{1b2ff}\u{1f300}-\u{1f64f}\u{1f680}-\u{1f6ff}\u{1f900}-\u{1faff}\u{20000}-\u{3fffd}]/u;
const NONE = /[\p{Mn}\p{Me}\p{Cf}\p{Cc}]/u;
// biome-ignore lint/complexity/useRegexLiterals: the escape character is clearer in text
const ESCAPES = new RegExp("\\x1b\\[[0-9;?]*[A-Za-z]", "g");

export function displayWidth(text: string): number {
  let width = 0;
  for (const character of text.replace(ESCAPES, "")) width += cellsOf(character);
  return width;
}

/** Cuts to at most `cells`, with an ellipsis when something was cut. Takes text without escape sequences. */
export function cutToWidth(text: string, cells: number): string {
  if (displayWidth(text) <= cells) return text;
  let width = 0;
  let kept = "";
  for (const character of text) {
    width += cellsOf(character);
    if (width > cells - 1) break;
    kept += character;
  }
  return cells > 0 ? `${kept}…` : "";
}

/** Pads with spaces on the right (or left) to `cells`. */
export function padToWidth(text: string, cells: number, side: "left" | "right" = "right"): string {
  const space = " ".repeat(Math.max(0, cells - displayWidth(text)));
  return side === "right" ? text + space : space + text;
}

function cellsOf(character: string): number {
  if (NONE.test(character)) return 0;
  return WIDE.test(character) ? 2 : 1;
}
