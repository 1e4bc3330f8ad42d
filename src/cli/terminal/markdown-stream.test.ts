import { describe, expect, test } from "vitest";
import { MarkdownStream } from "./markdown-stream.ts";

/** Styled text with readable tags instead of escape codes. */
function render(text: string, pieceLength = text.length): string {
  let out = "";
  const stream = new MarkdownStream((piece) => {
    out += piece;
  });
  const characters = [...text];
  for (let i = 0; i < characters.length; i += pieceLength) stream.push(characters.slice(i, i + pieceLength).join(""));
  stream.end();
  const names: Record<string, string> = { 1: "b", 2: "d", 3: "i", 22: "/", 23: "/i", 36: "c", 39: "/c" };
  // biome-ignore lint/complexity/useRegexLiterals: the escape character is clearer in text
  return out.replace(new RegExp("\\x1b\\[(\\d+)m", "g"), (_, code: string) => `<${names[code]}>`);
}

const cases: [string, string][] = [
  ["plain text", "plain text"],
  ["a **bold** word", "a <b>bold</> word"],
  ["**太字**です", "<b>太字</>です"],
  ["an *italic* and _other_ one", "an <i>italic</i> and <i>other</i> one"],
  ["`code *as is*` after", "<c>code *as is*</c> after"],
  ["2 * 3 * 4 and snake_case_name", "2 * 3 * 4 and snake_case_name"],
  ["left **open\nnext", "left <b>open</>\nnext"],
  ["# Title\ntext", "<b>Title</>\ntext"],
  ["### 見出し", "<b>見出し</>"],
  ["#hashtag", "#hashtag"],
  ["- one\n* two\n  + three", "• one\n• two\n  • three"],
  ["1. one\n2) two", "1. one\n2) two"],
  ["> said", "│ <d>said</>"],
  ["---", "─".repeat(20)],
  ["-5 degrees", "-5 degrees"],
  ["```ts\nconst a = `b`; // **x**\n```\nafter", "  <d>ts</>\n  <c>const a = `b`; // **x**</c>\n\nafter"],
  ["```\nopen", "\n  <c>open</c>"],
  ["***both***", "<b><i>both</></>".replace("</></>", "</><i></i>")],
  ["| a | b |\n|---|---|", "| a | b |\n|---|---|"],
  ["", ""],
];

describe.each([1, 2, 3, 1000])("in pieces of %i characters", (pieceLength) => {
  test.each(cases)("%j", (text, expected) => {
    expect(render(text, pieceLength)).toBe(expected);
  });
});

test("nothing is held back longer than it must be", () => {
  const pieces: string[] = [];
  const stream = new MarkdownStream((piece) => pieces.push(piece));
  stream.push("Hello wor");
  expect(pieces.join("")).toBe("Hello wor");
});
