/**
 * remora against llama.cpp: the same GGUF, the same tokens, next-token distributions side by side.
 *
 *   npx tsx bench/parity/compare.ts model.gguf reference.safetensors [--texts folder] [--compute f32|bf16] [--base file|bf16|f32|nf4]
 *
 * `reference.safetensors` comes from `llama-cpp.ts`. With `--texts`, the texts it names are also tokenized by us and the ids compared.
 * stdout: one JSON object a text.
 */
import { readFileSync } from "node:fs";
import { basename, join } from "node:path";
import { parseArgs } from "node:util";
import type { ActivationDType } from "../../src/backend/backend.ts";
import { openBackend } from "../../src/backend/open-backend.ts";
import type { CausalLM } from "../../src/models/causal-lm.ts";
import { loadModel } from "../../src/models/load-model.ts";
import type { BaseFormat } from "../../src/models/load-weights.ts";
import { openWeightSource, type WeightSource } from "../../src/models/weight-source.ts";
import { Arena } from "../../src/tensor/arena.ts";
import { attention } from "../../src/tensor/ops/attention.ts";
import { Tape } from "../../src/tensor/tape.ts";
import { Tensor } from "../../src/tensor/tensor.ts";
import { readGgufTokenizer } from "../../src/text/gguf-tokenizer.ts";
import { DeviceBatch } from "../../src/training/device-batch.ts";
import { packRows } from "../../src/training/testing/pack-rows.ts";
import { measureDivergence } from "./divergence.ts";
import { type ReferenceText, readReference } from "./reference-file.ts";

/** Rows of logits that exist at once: 64 of a vocabulary of 262,144 are 67 MB. */
const HEAD_ROWS = 64;

/** Our logits after each of the tokens, one row at a time. */
async function* logitRows(model: CausalLM, tokens: Int32Array): AsyncGenerator<Float32Array> {
  const { arena, backend, shape, weights } = model;
  const count = tokens.length;
  model.prepare(count);
  const batch = new DeviceBatch(arena, count);
  batch.upload(packRows([Array.from(tokens)]));
  const hidden = Tensor.take(arena, "f32", [count, shape.hiddenSize], "hidden rows");
  const tape = new Tape(arena, { recording: false });
  tape.scope("a forward pass", () => {
    const out = model.forward(tape, batch.tokens, batch.positions, (on, _layer, qkv, rule) => attention(on, qkv, batch.segments, rule));
    backend.convert(out, hidden);
    return [];
  });
  const logits = Tensor.take(arena, "f32", [HEAD_ROWS, shape.vocabularySize], "logits");
  const cap = shape.logitSoftcap;
  for (let start = 0; start < count; start += HEAD_ROWS) {
    const rows = Math.min(HEAD_ROWS, count - start);
    const part = logits.view([rows, shape.vocabularySize]);
    const from = hidden.view([rows, shape.hiddenSize], start * shape.hiddenSize);
    backend.linearForward({ parts: [{ weight: weights.head.weight }], dropout: 0 }, from, part, null);
    const bytes = await backend.download(part);
    for (let row = 0; row < rows; row++) {
      const values = new Float32Array(bytes.buffer, bytes.byteOffset + row * shape.vocabularySize * 4, shape.vocabularySize);
      yield cap > 0 ? values.map((value) => cap * Math.tanh(value / cap)) : values;
    }
  }
  for (const tensor of [hidden, logits]) tensor.release("the end of a text");
  batch.release();
}

/** Position of the first token that our tokenizer cuts otherwise, or -1. The last tokens of a cut-off text may depend on what followed. */
function firstTokenDifference(source: WeightSource, text: string, reference: ReferenceText): number {
  if (source.tokenizerSource.kind !== "gguf") throw new Error("--texts needs a GGUF file: llama.cpp's ids are compared");
  const tokenizer = readGgufTokenizer(source.tokenizerSource.metadata, source.path);
  const start = tokenizer.addsBos && tokenizer.bos !== undefined ? [tokenizer.bos] : [];
  const ids = [...start, ...tokenizer.encode(text)];
  return reference.tokens.findIndex((id, index) => id !== ids[index]);
}

async function main(): Promise<void> {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      texts: { type: "string" },
      compute: { type: "string", default: "f32" },
      base: { type: "string", default: "file" },
      threads: { type: "string", default: "2" },
      "tokens-only": { type: "boolean", default: false },
    },
  });
  const [modelPath, referencePath] = positionals;
  if (!modelPath || !referencePath) {
    process.stderr.write(
      "usage: compare.ts model.gguf reference.safetensors [--texts folder] [--compute f32|bf16] [--base file|bf16|f32|nf4]\n",
    );
    process.exitCode = 2;
    return;
  }
  const source = openWeightSource(modelPath);
  const { texts } = readReference(referencePath);
  const tokenDifference = (text: ReferenceText) =>
    values.texts === undefined ? undefined : firstTokenDifference(source, readFileSync(join(values.texts, text.name), "utf8"), text);
  if (values["tokens-only"]) {
    for (const text of texts) print({ text: text.name, tokens: text.tokens.length, firstTokenDifference: tokenDifference(text) });
    return;
  }
  const backend = await openBackend("cpu", { threads: Number(values.threads) });
  const arena = new Arena(backend);
  const model = await loadModel(arena, source, { base: values.base as BaseFormat, compute: values.compute as ActivationDType });
  for (const text of texts) {
    const started = performance.now();
    const divergence = await measureDivergence(text, logitRows(model, text.tokens));
    const seconds = Number(((performance.now() - started) / 1000).toFixed(1));
    const setting = { model: basename(modelPath), compute: values.compute, base: values.base };
    print({ ...setting, text: text.name, firstTokenDifference: tokenDifference(text), ...divergence, seconds });
  }
  model.dispose();
}

const print = (value: object) => process.stdout.write(`${JSON.stringify(value)}\n`);

await main();
