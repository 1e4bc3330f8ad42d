import { expect, test } from "vitest";
import { cutChunks } from "./cut-chunks.ts";
import { splitSentences, wordsOf } from "./split-sentences.ts";
import { ruleOfThumb, type TokenCounter } from "./token-counter.ts";

/** One token a character: sizes are seen at a glance. */
const characters: TokenCounter = { name: "characters", count: (texts) => texts.map((text) => [...text].length) };
const section = (text: string, headings: string[] = []) => ({ title: "t", sections: [{ headings, place: "p. 1", text }] });

test.each([
  ["雨が降る。風も吹く！本当？はい。", ["雨が降る。", "風も吹く！", "本当？", "はい。"]],
  ["彼は「行く。」と言った。次。", ["彼は「行く。」", "と言った。", "次。"]],
  ["One. Two! Three?", ["One. ", "Two! ", "Three?"]],
  ["- one\n- two\n\nText", ["- one\n", "- two\n\n", "Text"]],
  ["", []],
])("%j → sentences", (text, expected) => {
  expect(splitSentences(text)).toEqual(expected);
  expect(splitSentences(text).join("")).toBe(text);
});

test("words: Japanese by dictionary, width and case folded", () => {
  expect(wordsOf("日本の首都へ行く")).toEqual(["日本", "の", "首都", "へ", "行く"]);
  expect(wordsOf("Ｇ７ Members, 2024!")).toEqual(["g7", "members", "2024"]);
});

test("chunks end where sentences end, overlap by whole sentences, and keep their headings", async () => {
  const chunks = await cutChunks(section("あいう。えおか。きくけ。こさし。", ["題"]), { chunkTokens: 13, overlapTokens: 4 }, characters);
  expect(chunks).toEqual([
    { heading: "題", place: "p. 1", text: "あいう。えおか。きくけ。", tokens: 13 },
    { heading: "題", place: "p. 1", text: "きくけ。こさし。", tokens: 9 },
  ]);
});

test("no chunk is longer than asked, whatever the text; nothing is lost", async () => {
  const text = `${"長い文が、句点なしで、ずっと続く".repeat(20)}${"x".repeat(300)} ${"word ".repeat(100)}`;
  for (const chunkTokens of [16, 50, 64]) {
    const chunks = await cutChunks(section(text, ["深い", "見出し"]), { chunkTokens, overlapTokens: 0 }, characters);
    for (const { tokens } of chunks) expect(tokens).toBeLessThanOrEqual(chunkTokens);
    expect(chunks.map((chunk) => chunk.text.replace(/\s/g, "")).join("")).toBe(text.replace(/\s/g, ""));
  }
});

test("a heading path that would fill the chunk loses its beginning", async () => {
  const [chunk] = await cutChunks(section("Text.", ["a".repeat(40), "Part"]), { chunkTokens: 32, overlapTokens: 0 }, characters);
  expect(chunk).toMatchObject({ heading: "Part", text: "Text." });
});

test("the rule of thumb", () => {
  expect(ruleOfThumb.count(["東京タワー", "a remora holds", "internationalization!", ""])).toEqual([5, 4, 5, 0]);
});
