/**
 * Makes what pretraining of `remora-toy` starts from: a corpus of sentence pairs, a tokenizer, and a random model.
 *
 *   npx tsx recipes/remora-toy/prepare.ts <data folder> <out folder>
 *
 * The data folder holds `pretrain/pairs.tsv.xz` (Japanese<TAB>English a line; needs the `xz` program to unpack). Any such file will do: the
 * model card says which one the shipped model was made from and where it comes from.
 * Out: corpus.jsonl (one text a row), held-out.jsonl, model/ (config.json, tokenizer, random weights).
 */
import { spawnSync } from "node:child_process";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { openBackend } from "../../src/backend/open-backend.ts";
import { readDecoderShape } from "../../src/models/registry.ts";
import { Arena } from "../../src/tensor/arena.ts";
import { trainBpe } from "../../src/text/train-bpe.ts";
import { initializeWeights, makeFullModel } from "../../src/training/full-weights.ts";
import { modelWeights } from "../../src/training/model-weights.ts";

const [dataFolder, out] = process.argv.slice(2);
if (!dataFolder || !out) throw new Error("usage: prepare.ts <data folder> <out folder>");

const VOCABULARY = 4096;
const CONFIG = {
  architectures: ["LlamaForCausalLM"],
  model_type: "llama",
  vocab_size: VOCABULARY,
  hidden_size: 192,
  intermediate_size: 512,
  num_hidden_layers: 6,
  num_attention_heads: 6,
  num_key_value_heads: 2,
  head_dim: 32,
  hidden_act: "silu",
  max_position_embeddings: 512,
  rms_norm_eps: 1e-5,
  rope_theta: 10000,
  tie_word_embeddings: true,
  attention_bias: false,
  mlp_bias: false,
  bos_token_id: 0,
  eos_token_id: 0,
};
/** Longer sentences are beyond so small a model. */
const MAX_JAPANESE = 60;
const MAX_ENGLISH = 140;
/** Every so many-th pair is kept aside, to score the model on. */
const HELD_OUT_EVERY = 200;

const unpacked = spawnSync("xz", ["-dc", join(dataFolder, "pretrain/pairs.tsv.xz")], { maxBuffer: 2 ** 30 });
if (unpacked.status !== 0) throw new Error(`xz failed: ${unpacked.stderr}`);
const pairs = unpacked.stdout
  .toString("utf8")
  .split("\n")
  .map((line) => line.split("\t"))
  .filter((pair): pair is [string, string] => pair.length === 2 && pair[0]!.length <= MAX_JAPANESE && pair[1]!.length <= MAX_ENGLISH);
const training = pairs.filter((_, index) => index % HELD_OUT_EVERY !== 0);
const heldOut = pairs.filter((_, index) => index % HELD_OUT_EVERY === 0);

/** The same pair as texts of several kinds: the model shall know both directions, and no instruction template. */
const FORMS = [
  (ja: string, en: string) => `${ja}\n${en}`,
  (ja: string, en: string) => `日本語: ${ja}\n英語: ${en}`,
  (ja: string, en: string) => `Japanese: ${ja}\nEnglish: ${en}`,
  (ja: string, en: string) => `${en}\n${ja}`,
];

const rows = (list: readonly [string, string][]) => list.flatMap(([ja, en]) => FORMS.map((form) => JSON.stringify({ text: form(ja, en) })));
mkdirSync(join(out, "model"), { recursive: true });
writeFileSync(join(out, "corpus.jsonl"), `${rows(training).join("\n")}\n`);
writeFileSync(join(out, "held-out.jsonl"), `${rows(heldOut).join("\n")}\n`);

const tokenizer = await trainBpe(
  training.map(([ja, en]) => `${ja}\n${en}`),
  { vocabularySize: VOCABULARY, specialTokens: ["<|endoftext|>"] },
);
const put = (name: string, value: unknown) => writeFileSync(join(out, "model", name), `${JSON.stringify(value, null, 1)}\n`);
writeFileSync(join(out, "model", "tokenizer.json"), JSON.stringify(tokenizer));
put("tokenizer_config.json", {
  tokenizer_class: "PreTrainedTokenizerFast",
  bos_token: "<|endoftext|>",
  eos_token: "<|endoftext|>",
  add_bos_token: false,
  model_max_length: CONFIG.max_position_embeddings,
});
put("generation_config.json", { bos_token_id: 0, eos_token_id: 0 });

const backend = await openBackend("cpu");
const arena = new Arena(backend);
const full = await makeFullModel(arena, readDecoderShape(CONFIG, "remora-toy"), "f32");
initializeWeights(arena, full, 1);
await modelWeights(full, { config: CONFIG, companionsFrom: join(out, "model"), dtype: "BF16" }).save(join(out, "model"));
console.log(`${training.length} pairs for training, ${heldOut.length} held out, ${full.params.layout.count} parameters`);
backend.dispose();
