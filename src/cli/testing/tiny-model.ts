/**
 * A whole Hugging Face folder, small enough for a test to write: a random Llama and a tokenizer with one token a byte, `<s>` and `</s>`, and a
 * chat template. Equal seeds give equal bytes.
 */
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { writeSafetensors } from "../../formats/safetensors-writer.ts";
import { decoderParameters } from "../../models/decoder-parameters.ts";
import { readDecoderShape } from "../../models/registry.ts";
import { BYTE_CHARACTERS } from "../../text/byte-alphabet.ts";

const VOCABULARY = 258;

const CONFIG = {
  architectures: ["LlamaForCausalLM"],
  model_type: "llama",
  vocab_size: VOCABULARY,
  hidden_size: 64,
  intermediate_size: 128,
  num_hidden_layers: 2,
  num_attention_heads: 4,
  num_key_value_heads: 2,
  hidden_act: "silu",
  max_position_embeddings: 512,
  rms_norm_eps: 1e-5,
  rope_theta: 10000,
  tie_word_embeddings: true,
  bos_token_id: 256,
  eos_token_id: 257,
  torch_dtype: "float32",
};

const CHAT_TEMPLATE =
  "{{ bos_token }}{% for message in messages %}{% if message['role'] == 'assistant' %}A: {{ message['content'] }}{{ eos_token }}" +
  "{% else %}U: {{ message['content'] }}\n{% endif %}{% endfor %}{% if add_generation_prompt %}A: {% endif %}";

/** @param changes to config.json alone: a folder whose weights do not belong to it */
export async function writeTinyModel(folder: string, changes: Record<string, unknown> = {}): Promise<string> {
  return writeFolder(folder, { ...CONFIG, ...changes }, CONFIG);
}

/** The same with weights of that config's shape: other families, other sizes. */
export async function writeTinyModelOf(folder: string, changes: Record<string, unknown>): Promise<string> {
  const config = { ...CONFIG, ...changes };
  return writeFolder(folder, config, config);
}

async function writeFolder(folder: string, config: Record<string, unknown>, weightsOf: Record<string, unknown>): Promise<string> {
  mkdirSync(folder, { recursive: true });
  const json = (name: string, value: unknown) => writeFileSync(join(folder, name), `${JSON.stringify(value, null, 1)}\n`);
  json("config.json", config);
  json("tokenizer.json", tokenizer());
  json("tokenizer_config.json", { bos_token: "<s>", eos_token: "</s>", add_bos_token: true, chat_template: CHAT_TEMPLATE });
  const random = generator(1);
  const entries = decoderParameters(readDecoderShape(weightsOf, folder)).map(({ path, role, shape }) => ({
    name: path,
    dtype: "F32" as const,
    shape,
    read: () => {
      const values = new Float32Array(shape.reduce((product, size) => product * size, 1));
      const bound = 1.7 / Math.sqrt(shape[1] ?? 1);
      for (let i = 0; i < values.length; i++) values[i] = role === "norm" ? 1 : bound * (2 * random() - 1);
      return new Uint8Array(values.buffer);
    },
  }));
  await writeSafetensors(join(folder, "model.safetensors"), entries);
  return folder;
}

/** Byte-level BPE without merges. */
function tokenizer(): unknown {
  const special = (id: number, content: string) => ({
    id,
    content,
    single_word: false,
    lstrip: false,
    rstrip: false,
    normalized: false,
    special: true,
  });
  const byteLevel = { type: "ByteLevel", add_prefix_space: false, trim_offsets: true, use_regex: true };
  return {
    version: "1.0",
    truncation: null,
    padding: null,
    added_tokens: [special(256, "<s>"), special(257, "</s>")],
    normalizer: null,
    pre_tokenizer: byteLevel,
    post_processor: null,
    decoder: byteLevel,
    model: {
      type: "BPE",
      dropout: null,
      unk_token: null,
      continuing_subword_prefix: null,
      end_of_word_suffix: null,
      fuse_unk: false,
      byte_fallback: false,
      ignore_merges: false,
      vocab: Object.fromEntries(BYTE_CHARACTERS.map((character, id) => [character, id])),
      merges: [],
    },
  };
}

/** Numbers in [0, 1) from a seed (mulberry32). */
function generator(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4294967296;
  };
}
