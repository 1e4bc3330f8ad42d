import { expect, test } from "vitest";
import { chrF } from "./chrf.ts";

const ANSWERS = ["The cat sat on a mat.", "今日は良い天気です。", "", "abc"];
const REFERENCES = ["The cat is on the mat.", "今日はとても良い天気ですね。", "not empty", "xyz"];

test("equals sacreBLEU 2's corpus_chrf", () => {
  expect(chrF(["He eats a lot."], ["He eats much."])).toBeCloseTo(40.13648388648388, 6);
  expect(chrF(ANSWERS, REFERENCES)).toBeCloseTo(31.709138356262844, 6);
});

test("equal texts give 100, nothing in common gives 0", () => {
  expect(chrF(["ab cd"], ["abcd"])).toBe(100);
  expect(chrF([""], ["abc"])).toBe(0);
  expect(chrF(["xyz"], ["abc"])).toBe(0);
});
