import { describe, expect, test } from "vitest";
import { makeHfTokenizer } from "./hf-tokenizer.ts";
import { TEST_SENTENCES } from "./testing/trained-tokenizer.ts";
import type { BpeJson, TokenizerJson } from "./tokenizer-json.ts";
import { trainBpe } from "./train-bpe.ts";
import { countWords } from "./train-bpe-words.ts";

const mergesOf = (json: TokenizerJson) => (json.model as BpeJson).merges;

describe("trainBpe", () => {
  test("merges the commonest pairs first; of equal ones the smaller bytes", async () => {
    // aab ×3, ab ×2: (a,b) 5 times, then (a,ab) 3; (a,a) is gone by then
    const json = await trainBpe(["aab aab", "aab ab ab"], { vocabularySize: 256 + 1 + 20 });
    expect(mergesOf(json).slice(0, 2)).toEqual([
      ["a", "b"],
      ["a", "ab"],
    ]);
    const tie = await trainBpe(["dc dc", "ba ba"], { vocabularySize: 256 + 1 + 2 });
    expect(mergesOf(tie)).toEqual([
      ["b", "a"],
      ["d", "c"],
    ]);
  });

  test("runs of one character are counted as they merge", async () => {
    const json = await trainBpe(["aaaa ".repeat(3)], { vocabularySize: 256 + 1 + 4 });
    expect(mergesOf(json).slice(0, 2)).toEqual([
      ["a", "a"],
      ["aa", "aa"],
    ]);
  });

  test("ids: special tokens, then the 256 bytes, then merges; no text is unknown", async () => {
    const json = await trainBpe(TEST_SENTENCES, { vocabularySize: 400, specialTokens: ["<end>", "<turn>"] });
    const tokenizer = makeHfTokenizer("test", json as unknown as Record<string, unknown>, { config: { eos_token: "<end>" } });
    expect([tokenizer.idOf("<end>"), tokenizer.idOf("<turn>"), tokenizer.idOf("Ā"), tokenizer.idOf("ÿ")]).toEqual([0, 1, 2, 257]);
    const text = "never seen: ヴァイオリン 🎻\u0000";
    expect(tokenizer.decode(tokenizer.encode(text))).toBe(text);
    for (const sentence of TEST_SENTENCES) expect(tokenizer.encode(sentence).length).toBeLessThan(Buffer.byteLength(sentence));
  });

  test("the same corpus gives the same tokenizer, however it arrives", async () => {
    async function* stream() {
      yield* TEST_SENTENCES;
    }
    const options = { vocabularySize: 380 };
    expect(await trainBpe(stream(), options)).toEqual(await trainBpe(TEST_SENTENCES, options));
  });

  test("rare pairs and long tokens are not merged: the vocabulary may stay smaller than asked for", async () => {
    const rare = await trainBpe(["abcdef"], { vocabularySize: 5000 });
    expect(mergesOf(rare)).toEqual([]);
    const long = await trainBpe(["-".repeat(200)], { vocabularySize: 5000, maxTokenBytes: 4 });
    expect(mergesOf(long)).toEqual([
      ["-", "-"],
      ["--", "--"],
    ]);
  });

  test("a vocabulary without room for the bytes, an unknown pattern", async () => {
    await expect(trainBpe([], { vocabularySize: 100 })).rejects.toThrowErrorMatchingInlineSnapshot(
      `[RangeError: expected a vocabulary of at least 257 tokens, found 100]`,
    );
    await expect(trainBpe([], { vocabularySize: 300, pattern: "mine" })).rejects.toThrow(/expected a pattern's name \(llama3, /);
  });
});

test("words for training end where the script changes; a space belongs to the word after it", async () => {
  const words = await countWords(["東京タワーに行きました。Tokyo Tower, it's 333 m\n\n次"]);
  expect([...words.keys()]).toEqual([
    "東京",
    "タワー",
    "に",
    "行",
    "きました",
    "。",
    "Tokyo",
    " Tower",
    ",",
    " it",
    "'s",
    " ",
    "3",
    " m",
    "\n\n",
    "次",
  ]);
  expect(words.get("3")).toBe(3);
});
