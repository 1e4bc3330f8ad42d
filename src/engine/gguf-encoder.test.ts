/** The fixtures' encoders written as llama.cpp's converter would, read back: the same vectors as from the folders. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { readTensorBytes } from "../formats/file-bytes.ts";
import { readSafetensors } from "../formats/safetensors-reader.ts";
import { makeGguf, type TypedValue } from "../formats/testing/make-gguf.ts";
import { openEmbedder } from "./open-embedder.ts";

const FIXTURES = join(import.meta.dirname, "../../fixtures/data/encoders");
const folder = mkdtempSync(join(tmpdir(), "remora-gguf-encoder-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const NAMES: [RegExp, string][] = [
  [/^embeddings\.word_embeddings/, "token_embd"],
  [/^embeddings\.position_embeddings/, "position_embd"],
  [/^embeddings\.token_type_embeddings/, "token_types"],
  [/^embeddings\.LayerNorm/, "token_embd_norm"],
  [/^encoder\.layer\.(\d+)\.attention\.self\.query/, "blk.$1.attn_q"],
  [/^encoder\.layer\.(\d+)\.attention\.self\.key/, "blk.$1.attn_k"],
  [/^encoder\.layer\.(\d+)\.attention\.self\.value/, "blk.$1.attn_v"],
  [/^encoder\.layer\.(\d+)\.attention\.output\.dense/, "blk.$1.attn_output"],
  [/^encoder\.layer\.(\d+)\.attention\.output\.LayerNorm/, "blk.$1.attn_output_norm"],
  [/^encoder\.layer\.(\d+)\.intermediate\.dense/, "blk.$1.ffn_up"],
  [/^encoder\.layer\.(\d+)\.output\.dense/, "blk.$1.ffn_down"],
  [/^encoder\.layer\.(\d+)\.output\.LayerNorm/, "blk.$1.layer_output_norm"],
];

function writeGguf(name: string, pooling: number, skipPositions: number): string {
  const read = (file: string) => JSON.parse(readFileSync(join(FIXTURES, name, file), "utf8"));
  const config = read("config.json");
  const { model, added_tokens } = read("tokenizer.json");
  const special = new Set<number>(added_tokens.map(({ id }: { id: number }) => id));
  const isBert = model.type === "WordPiece";
  const pieces: string[] = isBert
    ? Object.entries<number>(model.vocab)
        .sort((a, b) => a[1] - b[1])
        .map(([piece]) => piece)
    : model.vocab.map(([piece]: [string]) => piece);
  const stored = pieces.map((piece, id) => (!isBert || special.has(id) ? piece : piece.startsWith("##") ? piece.slice(2) : `▁${piece}`));
  const id = (token: string) => ({ u32: pieces.indexOf(token) });
  const metadata: Record<string, TypedValue> = {
    "general.architecture": { text: "bert" },
    "bert.block_count": { u32: config.num_hidden_layers },
    "bert.context_length": { u32: 48 },
    "bert.embedding_length": { u32: config.hidden_size },
    "bert.feed_forward_length": { u32: config.intermediate_size },
    "bert.attention.head_count": { u32: config.num_attention_heads },
    "bert.attention.layer_norm_epsilon": { f32: config.layer_norm_eps },
    "bert.attention.causal": { bool: false },
    "bert.pooling_type": { u32: pooling },
    "tokenizer.ggml.model": { text: isBert ? "bert" : "t5" },
    "tokenizer.ggml.tokens": { texts: stored },
    "tokenizer.ggml.token_type": { i32s: pieces.map((_, place) => (special.has(place) ? 3 : 1)) },
    "tokenizer.ggml.scores": { f32s: isBert ? pieces.map(() => 0) : model.vocab.map(([, score]: [string, number]) => score) },
    "tokenizer.ggml.unknown_token_id": id(isBert ? "[UNK]" : "<unk>"),
    "tokenizer.ggml.bos_token_id": id(isBert ? "[CLS]" : "<s>"),
    "tokenizer.ggml.seperator_token_id": id(isBert ? "[SEP]" : "</s>"),
  };
  const tensors = [...readSafetensors(join(FIXTURES, name, "model.safetensors")).tensors.values()].map((view) => {
    const [pattern, to] = NAMES.find(([each]) => each.test(view.name))!;
    const isPositions = to === "position_embd";
    const data = readTensorBytes(view).slice(isPositions ? skipPositions * config.hidden_size * 4 : 0);
    const shape = isPositions ? [view.shape[0]! - skipPositions, view.shape[1]!] : [...view.shape];
    return { name: view.name.replace(pattern, to), shape, data };
  });
  const path = join(folder, `${name}.gguf`);
  writeFileSync(path, makeGguf({ metadata, tensors }));
  return path;
}

test.each([
  ["bert", 2, 0],
  ["xlm-roberta", 1, 2],
] as const)("%s", async (name, pooling, skipPositions) => {
  const texts = ["The remora holds on to a larger fish.", "東京は日本の首都です。雨が降っています！", "Naïve CAFÉ"];
  const vectors = [];
  for (const model of [join(FIXTURES, name), writeGguf(name, pooling, skipPositions)]) {
    const embedder = await openEmbedder({ model, compute: "f32", device: "cpu" });
    vectors.push(await embedder.embed(texts));
    await embedder.close();
  }
  for (const [index, text] of texts.entries()) expect([...vectors[1]![index]!], text).toEqual([...vectors[0]![index]!]);
});

test("a GGUF of a language model is no encoder", async () => {
  const path = join(folder, "llama.gguf");
  writeFileSync(path, makeGguf({ metadata: { "general.architecture": { text: "llama" } } }));
  await expect(openEmbedder({ model: path })).rejects.toThrow(/llama/);
});
