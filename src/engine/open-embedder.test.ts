/** The embedder through its worker: vectors, roles, cancelling; ids of the fixtures' tokenizers equal to Hugging Face's. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { readTensorBytes } from "../formats/file-bytes.ts";
import { readSafetensors } from "../formats/safetensors-reader.ts";
import { decodeWeights } from "../quant/decode.ts";
import { encodeFramed, readEncoderTokenizer } from "../text/encoder-tokenizer.ts";
import { openEmbedder } from "./open-embedder.ts";

const FIXTURES = join(import.meta.dirname, "../../fixtures/data/encoders");
const { texts } = JSON.parse(readFileSync(join(FIXTURES, "bert/expected.json"), "utf8")) as { texts: string[] };

test.each(["bert", "xlm-roberta"])("%s: ids equal Hugging Face's", (name) => {
  const tokenizer = readEncoderTokenizer({ kind: "folder", path: join(FIXTURES, name) });
  const { ids } = JSON.parse(readFileSync(join(FIXTURES, name, "expected.json"), "utf8")) as { ids: number[][] };
  for (const [index, text] of texts.entries()) expect(encodeFramed(tokenizer, text, Number.POSITIVE_INFINITY), text).toEqual(ids[index]);
  const short = encodeFramed(tokenizer, texts[5]!, 48);
  expect(short).toHaveLength(48);
  expect(short.at(-1)).toBe(ids[5]!.at(-1));
});

test.each([
  ["bert", "cls"],
  ["xlm-roberta", "mean"],
])("%s: vectors equal Transformers' (%s)", async (name, pooling) => {
  const embedder = await openEmbedder({ model: join(FIXTURES, name), compute: "f32", device: "cpu" });
  try {
    expect(embedder.dimensions).toBe(32);
    const vectors = await embedder.embed(texts);
    const view = readSafetensors(join(FIXTURES, name, "expected.safetensors")).tensors.get(pooling)!;
    const expected = decodeWeights("f32", readTensorBytes(view), view.byteLength / 4);
    for (const [index, vector] of vectors.entries()) {
      const cosine = vector.reduce((sum, value, i) => sum + value * expected[index * 32 + i]!, 0);
      expect(cosine, texts[index]).toBeGreaterThan(0.99999);
      expect(Math.hypot(...vector)).toBeCloseTo(1, 5);
    }
    expect(await embedder.countTokens!(["", "a"])).toEqual([2, 3]);
  } finally {
    await embedder.close();
  }
});

test("prefixes belong to roles, and a signal stops it", async () => {
  const embedder = await openEmbedder({ model: join(FIXTURES, "xlm-roberta"), device: "cpu", compute: "f32", queryPrefix: "query: " });
  try {
    const [asQuery] = await embedder.embed(["fish"], { role: "query" });
    const [asPassage] = await embedder.embed(["fish"], { role: "passage" });
    const [spelt] = await embedder.embed(["query: fish"]);
    expect([...asQuery!]).toEqual([...spelt!]);
    expect([...asQuery!]).not.toEqual([...asPassage!]);
    await expect(embedder.embed(["a"], { signal: AbortSignal.abort() })).rejects.toMatchObject({ code: "cancelled" });
    expect(await embedder.embed([])).toEqual([]);
  } finally {
    await embedder.close();
  }
});

test("a language model is no encoder", async () => {
  const llama = join(import.meta.dirname, "../../fixtures/data/models/llama");
  await expect(openEmbedder({ model: llama })).rejects.toThrow(/llama/);
});
