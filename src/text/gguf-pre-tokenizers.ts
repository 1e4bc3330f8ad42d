/**
 * What the names in `tokenizer.ggml.pre` mean: the split patterns of byte-level BPE tokenizers.
 *
 * GGUF stores only a name. Each family below is a list of patterns applied one after the other, a match becoming a piece of its own, then
 * bytes. An unknown name is refused: a wrong pattern gives plausible ids and a quietly worse model.
 *
 * @see ggml-org/llama.cpp 00ad355, `src/llama-vocab.cpp`, for the names; the patterns are those of the models' own `tokenizer.json`
 */

import { GPT2_PATTERN as GPT2 } from "./tokenizer-json.ts";

const CONTRACTIONS = "(?i:'s|'t|'re|'ve|'m|'ll|'d)";
const TAIL = "\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+";
const WORD_START = "[^\\r\\n\\p{L}\\p{N}]?";
const CASED = (suffix: string) =>
  `${WORD_START}[\\p{Lu}\\p{Lt}\\p{Lm}\\p{Lo}\\p{M}]*[\\p{Ll}\\p{Lm}\\p{Lo}\\p{M}]+${suffix}|` +
  `${WORD_START}[\\p{Lu}\\p{Lt}\\p{Lm}\\p{Lo}\\p{M}]+[\\p{Ll}\\p{Lm}\\p{Lo}\\p{M}]*${suffix}`;

interface PreTokenizerFamily {
  names: readonly string[];
  patterns: readonly string[];
  ignoreMerges?: boolean;
}

const FAMILIES: readonly PreTokenizerFamily[] = [
  {
    names: ["llama3", "llama-v3", "llama-bpe", "falcon3", "falcon-h1", "pixtral", "midm-2.0", "lfm2"],
    patterns: [`${CONTRACTIONS}|${WORD_START}\\p{L}+|\\p{N}{1,3}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|${TAIL}`],
    ignoreMerges: true,
  },
  {
    names: ["dbrx", "smaug-bpe", "chatglm-bpe", "glm4"],
    patterns: [`${CONTRACTIONS}|${WORD_START}\\p{L}+|\\p{N}{1,3}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|${TAIL}`],
  },
  {
    names: ["qwen2", "stablelm2", "deepseek-r1-qwen", "megrez", "hunyuan", "solar-open", "grok-2", "kormo", "f2llmv2"],
    patterns: [`${CONTRACTIONS}|${WORD_START}\\p{L}+|\\p{N}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|${TAIL}`],
  },
  {
    names: ["qwen35"],
    patterns: [`${CONTRACTIONS}|${WORD_START}[\\p{L}\\p{M}]+|\\p{N}| ?[^\\s\\p{L}\\p{M}\\p{N}]+[\\r\\n]*|${TAIL}`],
  },
  {
    names: ["tekken"],
    patterns: [`${CASED("")}|\\p{N}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n/]*|${TAIL}`],
    ignoreMerges: true,
  },
  {
    names: ["gpt-4o", "llama4", "minimax-m2"],
    patterns: [`${CASED(`${CONTRACTIONS}?`)}|\\p{N}{1,3}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n/]*|${TAIL}`],
  },
  {
    names: ["smollm", "starcoder", "refact", "command-r", "codeshell", "exaone", "minerva-7b", "mellum2"],
    patterns: ["\\p{N}", GPT2],
  },
  {
    names: ["gpt-2", "phi-2", "jina-es", "jina-de", "gigachat", "mpt", "olmo", "jais", "trillion", "granite-docling", "roberta-bpe"],
    patterns: [GPT2],
  },
  {
    names: ["falcon"],
    patterns: ["[\\p{P}\\$\\+<=>\\^~\\|`]+", GPT2, "[0-9][0-9][0-9]"],
  },
  {
    names: ["deepseek-v3", "deepseek-r1", "hunyuan-dense", "joyai-llm"],
    patterns: [
      "\\p{N}{1,3}",
      "[一-龥぀-ゟ゠-ヿ]+",
      "[!\"#$%&'()*+,\\-./:;<=>?@\\[\\\\\\]^_`{|}~][A-Za-z]+|[^\\r\\n\\p{L}\\p{P}\\p{S}]?[\\p{L}\\p{M}]+| ?[\\p{P}\\p{S}]+[\\r\\n]*|" +
        TAIL,
    ],
  },
  {
    names: ["seed-coder"],
    patterns: [`${CONTRACTIONS}|${WORD_START}\\p{L}+|\\p{N}| ?[^\\s\\p{L}\\p{N}\\r\\n]+|${TAIL}`],
  },
  {
    // llama.cpp's fallback for files written before the name was stored
    names: ["default"],
    patterns: ["[\\p{P}\\$\\+<=>\\^~\\|]+", GPT2, "\\p{N}+", "[0-9][0-9][0-9]"],
  },
];

export const GGUF_PRE_TOKENIZERS: ReadonlyMap<string, PreTokenizerFamily> = new Map(
  FAMILIES.flatMap((family) => family.names.map((name) => [name, family] as const)),
);
