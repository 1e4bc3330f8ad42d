import { describe, expect, test } from "vitest";
import { answerLanguage } from "./answer-language.ts";
import { answerUnits } from "./answer-units.ts";
import { exactMatch, unitF1 } from "./exact-and-f1.ts";
import { groundedness } from "./groundedness.ts";
import { repetition } from "./repetition.ts";
import { rougeL } from "./rouge-l.ts";

describe("units of an answer", () => {
  test("words in English, characters in Japanese, articles and punctuation out, full width made plain", () => {
    expect(answerUnits("The Ｇ７ has 12 members: don’t ask!")).toEqual(["g7", "has", "12", "members", "dont", "ask"]);
    expect(answerUnits("首都はパリ（Paris）です。")).toEqual(["首", "都", "は", "パ", "リ", "paris", "で", "す"]);
    expect(answerUnits("…")).toEqual([]);
  });
});

describe("exact match and F1", () => {
  test("worked by hand", () => {
    expect(exactMatch("The Ottawa.", ["ottawa"])).toBe(1);
    expect(exactMatch("Ottawa, Canada", ["Toronto", "Ottawa"])).toBe(0);
    // answer {in, ottawa, canada}, reference {ottawa}: 2·1 / (3 + 1)
    expect(unitF1("in Ottawa Canada", ["Ottawa"])).toBeCloseTo(0.5, 12);
    // 東京都 against 東京: two shared of 3 and 2
    expect(unitF1("東京都", ["大阪", "東京"])).toBeCloseTo(0.8, 12);
  });
  test("a unit counts as often as both have it", () => expect(unitF1("no no no", ["no"])).toBeCloseTo(0.5, 12));
  test("silence is right only where silence is wanted", () => {
    expect(unitF1("", [""])).toBe(1);
    expect(unitF1("", ["Paris"])).toBe(0);
    expect(unitF1("Paris", [""])).toBe(0);
  });
});

describe("ROUGE-L", () => {
  test("the longest common subsequence keeps order", () => {
    // common: "police … gunman", 2 of 3 and 3
    expect(rougeL("police kill gunman", ["police killed gunman"])).toBeCloseTo(2 / 3, 12);
    expect(rougeL("gunman killed police", ["police killed gunman"])).toBeCloseTo(1 / 3, 12);
    expect(rougeL("雨が降る", ["雪が降る"])).toBeCloseTo(0.75, 12);
    expect(rougeL("", ["雪"])).toBe(0);
  });
});

describe("repetition", () => {
  test("the share of runs of four that came before", () => {
    expect(repetition("one two three four five six")).toBe(0);
    // runs of "a b c d a b c d": 5, of which "a b c d" twice → b c d a, c d a b, d a b c are new
    expect(repetition("x y c d x y c d")).toBeCloseTo(1 - 4 / 5, 12);
    expect(repetition("はい".repeat(50))).toBeGreaterThan(0.95);
    expect(repetition("short")).toBe(0);
  });
});

describe("language by script", () => {
  test.each([
    ["パリはフランスの首都です。", "ja"],
    ["The capital is Paris.", "en"],
    ["東京", "ja"],
    ["这是一个很长的中文句子没有假名在里面", "zh"],
    ["서울은 대한민국의 수도입니다", "ko"],
    ["Столица — Москва", "other"],
    ["1,234 …", "none"],
    ["G7は七か国（Group of Seven）の略です", "ja"],
    ["The word 'sushi' (寿司) is Japanese", "en"],
  ])("%s is %s", (text, language) => expect(answerLanguage(text)).toBe(language));
});

describe("groundedness", () => {
  const passages = ["Canada joined the group in 1976. Its capital is Ottawa.", "日本の首都は東京である。人口は125,000,000人。"];
  test("what stands in a passage is grounded, what does not is not", () => {
    expect(groundedness("The capital is Ottawa.", passages).share).toBe(1);
    expect(groundedness("Canada joined with Mexico.", passages).share).toBeCloseTo(2 / 3, 12);
    expect(groundedness("首都は東京", passages).share).toBe(1);
    expect(groundedness("首都は大阪", passages).share).toBeLessThan(0.7);
  });
  test("numbers that nobody wrote are named", () => {
    expect(groundedness("Canada joined in 1975.", passages).unsupportedNumbers).toEqual(["1975"]);
    expect(groundedness("人口は125000000人", passages).unsupportedNumbers).toEqual([]);
  });
  test("nothing to look for is not a score", () => {
    expect(groundedness("", passages).share).toBeUndefined();
    expect(groundedness("Ottawa", []).share).toBeUndefined();
  });
});
