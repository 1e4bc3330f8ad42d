/**
 * The tokenizer of a GGUF file, from metadata made here. On the real files of SmolLM2-135M-Instruct (`smollm`) and Gemma 3 270M (`llama`)
 * the ids equalled llama.cpp's (node-llama-cpp 3.22) on 6,334 texts of both languages, but for `</s>`, which llama.cpp takes for an end
 * token in Gemma's vocabulary, where it is an HTML tag.
 */
import { describe, expect, test } from "vitest";
import { type GgufMetadata, readGgufTokenizer } from "./gguf-tokenizer.ts";
import { TEST_SENTENCES, trainedTokenizer, trainedTokenizerJson } from "./testing/trained-tokenizer.ts";
import type { BpeJson } from "./tokenizer-json.ts";

async function byteLevelMetadata(): Promise<Record<string, unknown>> {
  const json = await trainedTokenizerJson();
  const model = json.model as BpeJson;
  const tokens: string[] = [];
  for (const [token, id] of Object.entries(model.vocab)) tokens[id] = token;
  for (const token of json.added_tokens) tokens[token.id] = token.content;
  return {
    "tokenizer.ggml.model": "gpt2",
    "tokenizer.ggml.pre": "qwen2",
    "tokenizer.ggml.tokens": tokens,
    "tokenizer.ggml.token_type": Int32Array.from(tokens, (_, id) => (id < 3 ? 3 : 1)),
    "tokenizer.ggml.merges": (model.merges as [string, string][]).map((merge) => merge.join(" ")),
    "tokenizer.ggml.eos_token_id": 2,
    "tokenizer.ggml.padding_token_id": 0n,
    "tokenizer.chat_template": "{{ messages }}",
  };
}

/** Pieces with scores and no merges; `add_space_prefix` as Llama 2 (true) or Gemma (false). */
const sentencePiece = (changes: Record<string, unknown> = {}): GgufMetadata => {
  const pieces: [string, number, number][] = [
    ["<unk>", 0, 2],
    ["<s>", 0, 3],
    ["</s>", 0, 3],
    ["<0xE3>", 0, 6],
    ["<0x81>", 0, 6],
    ["<0x82>", 0, 6],
    ["▁", -10, 1],
    ["h", -11, 1],
    ["i", -12, 1],
    ["t", -13, 1],
    ["hi", -2, 1],
    ["it", -1, 1],
    ["▁h", -3, 1],
    ["▁hi", -4, 1],
    ["\n\n", 0, 4],
  ];
  return new Map<string, unknown>(
    Object.entries({
      "tokenizer.ggml.model": "llama",
      "tokenizer.ggml.tokens": pieces.map(([piece]) => piece),
      "tokenizer.ggml.scores": Float32Array.from(pieces, ([, score]) => score),
      "tokenizer.ggml.token_type": Int32Array.from(pieces, ([, , type]) => type),
      "tokenizer.ggml.bos_token_id": 1,
      "tokenizer.ggml.eos_token_id": 2,
      "tokenizer.ggml.unknown_token_id": 0,
      ...changes,
    }),
  );
};

const message = (metadata: GgufMetadata): string => {
  try {
    readGgufTokenizer(metadata, "model.gguf");
  } catch (error) {
    return (error as Error).message;
  }
  return "no error";
};

describe("gpt2", () => {
  test("gives the ids of the same tokenizer read from tokenizer.json", async () => {
    const fromGguf = readGgufTokenizer(await byteLevelMetadata(), "model.gguf");
    const fromJson = await trainedTokenizer();
    for (const text of [...TEST_SENTENCES, "I'LL pay 1234 円\n\n  <|im_end|>"])
      expect(fromGguf.encode(text)).toEqual(fromJson.encode(text));
    expect(fromGguf).toMatchObject({ eos: [2, 0], pad: 0, addsBos: false, chatTemplate: "{{ messages }}", stripsLeadingSpace: false });
  });

  test("smollm cuts digits apart and keeps spaces with words, llama-bpe takes three digits", async () => {
    const metadata = await byteLevelMetadata();
    const cut = (pre: string) => {
      const tokenizer = readGgufTokenizer(
        {
          ...metadata,
          "tokenizer.ggml.pre": pre,
          "tokenizer.ggml.merges": ["1 2", "12 3"],
          "tokenizer.ggml.tokens": ["1", "2", "3", "4", "12", "123", "Ġ"],
          "tokenizer.ggml.token_type": new Int32Array(7).fill(1),
          "tokenizer.ggml.eos_token_id": undefined,
          "tokenizer.ggml.padding_token_id": undefined,
        },
        "x",
      );
      return tokenizer.encode(" 1234");
    };
    expect(cut("smollm")).toEqual([6, 0, 1, 2, 3]);
    expect(cut("llama-bpe")).toEqual([6, 5, 3]);
    expect(cut("gpt-2")).toEqual([6, 5, 3]);
  });
});

describe("llama", () => {
  test("merges by score: of two ways through a word the better piece wins", () => {
    const tokenizer = readGgufTokenizer(sentencePiece({ "tokenizer.ggml.add_space_prefix": false }), "model.gguf");
    expect(tokenizer.encode("hit")).toEqual([7, 11]); // "it" has a better score than "hi"
    expect(tokenizer.encode("hi hi")).toEqual([10, 13]);
    expect(tokenizer.encode("hi\n\nhi")).toEqual([10, 14, 10]); // a user-defined piece stands before all merging
  });

  test("a space comes first unless the file says otherwise; bytes stand in for unknown characters", () => {
    const tokenizer = readGgufTokenizer(sentencePiece(), "model.gguf");
    expect(tokenizer.encode("hi")).toEqual([13]);
    expect(tokenizer.encode("あ")).toEqual([6, 3, 4, 5]);
    expect(tokenizer.decode([13, 3, 4, 5])).toBe("hiあ");
    expect(tokenizer).toMatchObject({ bos: 1, eos: [2], addsBos: true });
    expect(readGgufTokenizer(sentencePiece({ "tokenizer.ggml.add_bos_token": false }), "x").addsBos).toBe(false);
  });
});

test("Phi-3's role tokens swallow the line end after them", () => {
  const metadata = sentencePiece({ "general.architecture": "phi3", "tokenizer.ggml.add_space_prefix": false });
  expect(readGgufTokenizer(metadata, "x").encode("</s>\n hi<s>▁hi", { special: true })).toEqual([2, 10, 1, 13]);
});

describe("errors", () => {
  test("no tokenizer in the file", () => {
    expect(message({})).toMatchInlineSnapshot(`
      "Reading the tokenizer of model.gguf: expected tokenizer.ggml.model and tokenizer.ggml.tokens in the file's metadata, found no model
        Use a GGUF file that holds its tokenizer."
    `);
  });

  test("another kind, an unknown pattern, missing parts", async () => {
    const metadata = await byteLevelMetadata();
    expect(message({ ...metadata, "tokenizer.ggml.model": "rwkv" })).toMatchInlineSnapshot(`
      "Reading the tokenizer of model.gguf: expected tokenizer.ggml.model "gpt2" (byte-level BPE) or "llama" (SentencePiece), found "rwkv"
        Use the model's Hugging Face folder, whose tokenizer.json remora can read."
    `);
    expect(message({ ...metadata, "tokenizer.ggml.pre": "my-model" })).toMatchInlineSnapshot(`
      "Reading the tokenizer of model.gguf: expected a pre-tokenizer name that remora knows in tokenizer.ggml.pre, found "my-model"
        Use the model's Hugging Face folder, whose tokenizer.json states the pattern itself."
    `);
    expect(message({ ...metadata, "tokenizer.ggml.merges": undefined })).toMatchInlineSnapshot(`
      "Reading the tokenizer of model.gguf: expected tokenizer.ggml.merges, found none
        Use a GGUF file that holds its whole tokenizer."
    `);
    expect(message({ ...metadata, "tokenizer.ggml.merges": ["q zzz"] })).toMatchInlineSnapshot(`
      "Reading the tokenizer of model.gguf: merge 0 ("q" + "zzz") names a token that is not in the vocabulary
        The tokenizer is damaged or of an unknown kind: fetch the model again, or use another of its files."
    `);
    expect(message({ ...metadata, "tokenizer.ggml.eos_token_id": 99_999 })).toMatchInlineSnapshot(`
      "Reading the tokenizer of model.gguf: the end-of-text token 99999 is not in the vocabulary of 477 tokens
        The special tokens do not belong to this tokenizer: fetch the model again."
    `);
    expect(message(sentencePiece({ "tokenizer.ggml.scores": new Float32Array(2) }))).toMatchInlineSnapshot(
      `"Reading the tokenizer of model.gguf: expected 15 numbers in tokenizer.ggml.scores, found 2"`,
    );
  });
});
