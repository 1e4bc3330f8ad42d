/**
 * The model's folder without weights: its shape, and its tokenizer, byte-level BPE of 16,384 entries, trained here on the training part of every
 * source, so weighted that Japanese and English have an equal say.
 *
 *   npx tsx recipes/remora-tiny/tokenizer.ts <data folder> <out folder>
 */
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { trainBpe } from "../../src/text/train-bpe.ts";
import { TEXT_SOURCES as ALL_SOURCES, PAIR_FILES, readDocuments, readPairs, unpack } from "./sources.ts";

const [dataFolder, out] = process.argv.slice(2);
if (!dataFolder || !out) {
  console.error("usage: tokenizer.ts <data folder> <out folder>");
  process.exit(2);
}

const VOCABULARY = 16_384;
/** The third file of Aozora Bunko came later, and the tokenizer stayed. */
const TEXT_SOURCES = ALL_SOURCES.filter(({ name }) => name !== "ja-books-3");
/** Characters of each kind of text and language. A Japanese character says about as much as two and a half English ones. */
const BOOK_CHARACTERS = { ja: 9e6, en: 18e6 };
const MODERN_CHARACTERS = { ja: 5e6, en: 5e6 };
/** Sentence pairs count so many times: they are few and what the model is for. */
const PAIR_TIMES = 3;

function* corpus(): Generator<string> {
  for (const kind of ["books", "modern"] as const) {
    for (const language of ["ja", "en"] as const) {
      const sources = TEXT_SOURCES.filter((source) => source.language === language && source.name.includes("books") === (kind === "books"));
      const lists = sources.map(({ file }) => readDocuments(dataFolder!, file).training);
      const limit = (kind === "books" ? BOOK_CHARACTERS : MODERN_CHARACTERS)[language];
      let characters = 0;
      // Taken in turns, so that each file has its share of the limit.
      for (let i = 0; characters < limit && lists.some((list) => i < list.length); i++) {
        for (const list of lists) {
          const text = list[i];
          if (text === undefined) continue;
          characters += text.length;
          yield text;
        }
      }
    }
  }
  const pairs = PAIR_FILES.flatMap((file) => readPairs(unpack(join(dataFolder!, "pretrain", file))));
  for (let time = 0; time < PAIR_TIMES; time++) for (const [ja, en] of pairs) yield `${ja}\n${en}`;
}

const CONFIG = {
  architectures: ["MistralForCausalLM"],
  model_type: "mistral",
  vocab_size: VOCABULARY,
  hidden_size: 512,
  intermediate_size: 1024,
  num_hidden_layers: 5,
  num_attention_heads: 12,
  num_key_value_heads: 4,
  head_dim: 64,
  hidden_act: "silu",
  max_position_embeddings: 1024,
  sliding_window: null,
  rms_norm_eps: 1e-5,
  rope_theta: 10000,
  tie_word_embeddings: false,
  attention_dropout: 0,
  bos_token_id: 0,
  eos_token_id: 0,
};

const tokenizer = await trainBpe(corpus(), {
  vocabularySize: VOCABULARY,
  specialTokens: ["<|endoftext|>"],
  maxTokenBytes: 24,
  onProgress: (done, total) => process.stderr.write(`\r${done}/${total} merges`),
});
const put = (name: string, value: unknown) => writeFileSync(join(out, name), `${JSON.stringify(value, null, 1)}\n`);
mkdirSync(out, { recursive: true });
writeFileSync(join(out, "tokenizer.json"), JSON.stringify(tokenizer));
put("config.json", CONFIG);
put("tokenizer_config.json", {
  tokenizer_class: "PreTrainedTokenizerFast",
  bos_token: "<|endoftext|>",
  eos_token: "<|endoftext|>",
  add_bos_token: false,
  model_max_length: 1024,
});
put("generation_config.json", { bos_token_id: 0, eos_token_id: 0 });
