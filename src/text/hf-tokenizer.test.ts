import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { checkVocabulary } from "./check-vocabulary.ts";
import { readHfTokenizer } from "./hf-tokenizer.ts";
import { trainedTokenizerJson } from "./testing/trained-tokenizer.ts";

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "remora-tokenizer-"));
});
afterEach(() => rmSync(folder, { recursive: true }));
const write = (name: string, value: unknown) =>
  writeFileSync(join(folder, name), typeof value === "string" ? value : JSON.stringify(value));
const message = (run: () => unknown): string => {
  try {
    run();
  } catch (error) {
    return (error as Error).message.replaceAll(folder, "<folder>");
  }
  return "no error";
};

describe("readHfTokenizer", () => {
  test("collects what the files beside tokenizer.json say", async () => {
    write("tokenizer.json", await trainedTokenizerJson());
    write("tokenizer_config.json", { bos_token: { content: "<|im_start|>" }, add_bos_token: true, chat_template: "{{ messages }}" });
    write("special_tokens_map.json", { eos_token: "<|endoftext|>", pad_token: "<absent>" });
    write("generation_config.json", { eos_token_id: [2, 0] });
    const tokenizer = readHfTokenizer(folder);
    expect(tokenizer).toMatchObject({ bos: 1, eos: [0, 2], addsBos: true, chatTemplate: "{{ messages }}" });
    expect(tokenizer.pad).toBeUndefined();
  });

  test("chat_template.jinja wins over the configuration, whose list has a default", async () => {
    write("tokenizer.json", await trainedTokenizerJson());
    const list = [
      { name: "tools", template: "T" },
      { name: "default", template: "D" },
    ];
    write("tokenizer_config.json", { chat_template: list });
    expect(readHfTokenizer(folder).chatTemplate).toBe("D");
    write("chat_template.jinja", "J");
    expect(readHfTokenizer(folder).chatTemplate).toBe("J");
  });

  test("an end of turn that only the vocabulary knows ends an answer too", async () => {
    write("tokenizer.json", await trainedTokenizerJson());
    write("tokenizer_config.json", { eos_token: "<|endoftext|>" });
    expect(readHfTokenizer(folder).eos).toEqual([0, 2]);
  });

  test("missing and damaged files", () => {
    expect(message(() => readHfTokenizer(folder))).toMatchInlineSnapshot(`
      "Reading the tokenizer of <folder>: expected tokenizer.json, found none
        Fetch the model's tokenizer.json, or use its GGUF file, which holds the tokenizer."
    `);
    write("tokenizer.model", "binary");
    expect(message(() => readHfTokenizer(folder))).toMatchInlineSnapshot(`
      "Reading the tokenizer of <folder>: expected tokenizer.json, found only tokenizer.model (SentencePiece)
        Fetch the model's tokenizer.json, or use its GGUF file, which holds the tokenizer."
    `);
    write("tokenizer.json", '{"model": {"type": "BPE", "vocab": {');
    expect(message(() => readHfTokenizer(folder))).toMatchInlineSnapshot(`
      "Reading the tokenizer of <folder>/tokenizer.json: expected a JSON object, found damage: Expected property name or '}' in JSON at position 36
        Fetch the file again."
    `);
    write("tokenizer.json", { model: { type: "WordLevel", vocab: {} } });
    expect(message(() => readHfTokenizer(folder))).toMatchInlineSnapshot(`
      "Reading the tokenizer of <folder>: expected tokenizer.json to hold a model of type BPE, Unigram or WordPiece, found WordLevel
        Check that the file is complete."
    `);
  });

  test("a tokenizer that does not fit the model's vocabulary", async () => {
    write("tokenizer.json", await trainedTokenizerJson());
    const tokenizer = readHfTokenizer(folder);
    checkVocabulary(tokenizer, tokenizer.vocabularySize, folder);
    checkVocabulary(tokenizer, tokenizer.vocabularySize + 64, folder);
    expect(message(() => checkVocabulary(tokenizer, 300, folder))).toMatchInlineSnapshot(`
      "Reading the tokenizer of <folder>: expected at most 300 tokens (the rows of the model's embedding), found 477; "¡ãģ¯" with id 300 is the first without a row
        Use the tokenizer that came with this checkpoint."
    `);
  });
});
