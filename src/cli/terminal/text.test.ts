import { describe, expect, test } from "vitest";
import { cutToWidth, displayWidth, padToWidth } from "./display-width.ts";
import { showBytes, showCount, showRate, showScale, showSeconds } from "./quantities.ts";
import { createStyle, styleFor } from "./style.ts";
import { tableLines } from "./table.ts";

describe("width", () => {
  test.each([
    ["abc", 3],
    ["日本語", 6],
    ["ｱ", 1],
    ["가나", 4],
    ["e\u0301", 1],
    ["🐟", 2],
    ["\x1b[1mbold\x1b[22m", 4],
    ["", 0],
  ])("%j", (text, width) => {
    expect(displayWidth(text)).toBe(width);
  });

  test("cut and pad by cells", () => {
    expect(cutToWidth("日本語です", 6)).toBe("日本…");
    expect(cutToWidth("abc", 3)).toBe("abc");
    expect(cutToWidth("abc", 0)).toBe("");
    expect(padToWidth("日本", 6)).toBe("日本  ");
    expect(padToWidth("7", 3, "left")).toBe("  7");
  });

  test("a table aligns Japanese and colours", () => {
    const style = createStyle(true);
    expect(
      tableLines(
        [
          ["名前", "1", "x"],
          [style.red("name"), "200", ""],
        ],
        "lrl",
      ),
    ).toEqual(["  名前    1  x", "  \x1b[31mname\x1b[39m  200"]);
  });
});

test.each([
  [showBytes(999), "999 B"],
  [showBytes(1234), "1.23 kB"],
  [showBytes(10_680_000_000), "10.7 GB"],
  [showBytes(999_600_000), "1.00 GB"],
  [showBytes(-2_000_000), "-2.00 MB"],
  [showSeconds(0.004), "4ms"],
  [showSeconds(3.21), "3.2s"],
  [showSeconds(59.6), "1m00s"],
  [showSeconds(3725), "1h02m"],
  [showSeconds(Number.POSITIVE_INFINITY), "?"],
  [showCount(1234567), "1,234,567"],
  [showScale(12_247_782_400), "12.2 B"],
  [showRate(8.71), "8.7 tok/s"],
  [showRate(4615.3), "4,615 tok/s"],
])("%s", (shown, expected) => {
  expect(shown).toBe(expected);
});

test("colours: a terminal has them, NO_COLOR and pipes do not, FORCE_COLOR does", () => {
  const output = (isTerminal: boolean) => ({ isTerminal, columns: 80, write() {}, onResize: () => () => {} });
  expect(styleFor(output(true), {}).enabled).toBe(true);
  expect(styleFor(output(true), { NO_COLOR: "1" }).enabled).toBe(false);
  expect(styleFor(output(true), { TERM: "dumb" }).enabled).toBe(false);
  expect(styleFor(output(false), {}).enabled).toBe(false);
  expect(styleFor(output(false), { FORCE_COLOR: "1" }).enabled).toBe(true);
  expect(createStyle(false).red("x")).toBe("x");
});
