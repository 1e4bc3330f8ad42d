/**
 * Held-out bits per byte of any model, on the same bytes: each document by itself, cut into stretches of 1,024 tokens, the first token of a
 * stretch unscored. Nats of the scored tokens over the UTF-8 bytes they stand for.
 *
 *   npx tsx recipes/remora-tiny/bits-per-byte.ts <folder of prepare.ts> <bytes a source> <model>…      prints one JSON object a model
 */
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { openBackend } from "../../src/backend/open-backend.ts";
import { emptyBatch, placeSegment } from "../../src/data/batch.ts";
import { encodeDocument } from "../../src/data/text-blocks.ts";
import { openModelFiles } from "../../src/engine/model-files.ts";
import { loadModel } from "../../src/models/load-model.ts";
import { Arena } from "../../src/tensor/arena.ts";
import type { Tokenizer } from "../../src/text/tokenizer.ts";
import { evaluate } from "../../src/training/evaluate.ts";

const [folder, bytesText, ...names] = process.argv.slice(2);
if (!folder || names.length === 0) {
  console.error("usage: bits-per-byte.ts <folder of prepare.ts> <bytes a source> <model>…");
  process.exit(2);
}
const LENGTH = 1024;
const SOURCES = ["ja-books-1", "ja-wiki", "ja-manual", "en-books-1", "en-wiki", "en-factbook", "learner-pairs-ja", "learner-pairs-en"];

/** Documents of a source's held-out part, up to so many bytes; of the learners' pairs one language at a time. */
function documentsOf(source: string, limit: number): string[] {
  const side = /^learner-pairs-(ja|en)$/.exec(source)?.[1];
  const path = join(folder!, "held-out", side === undefined ? `${source}.txt` : "learner-pairs.tsv");
  if (!existsSync(path)) return [];
  const text = readFileSync(path, "utf8");
  const lines = side === undefined ? [] : text.trim().split("\n");
  const all = side === undefined ? text.split("\n<|doc|>\n") : [lines.map((line) => line.split("\t")[side === "ja" ? 0 : 1]).join("\n")];
  let bytes = 0;
  return all.flatMap((document) => {
    const rest = limit - bytes;
    const cut = rest <= 0 ? "" : document.slice(0, side === "ja" || source.startsWith("ja") ? Math.ceil(rest / 3) : rest);
    bytes += Buffer.byteLength(cut);
    return cut === "" ? [] : [cut];
  });
}

function* batchesOf(documents: readonly string[], tokenizer: Tokenizer, count: (bytes: number, tokens: number) => void) {
  for (const document of documents) {
    const ids = encodeDocument(tokenizer, document) ?? [];
    for (let start = 0; start < ids.length; start += LENGTH) {
      const stretch = ids.slice(start, start + LENGTH);
      const trained = stretch.map((id) => (tokenizer.isSpecial(id) ? 0 : 1));
      const batch = emptyBatch(1, LENGTH, 0);
      placeSegment(batch, 0, stretch, trained, 0);
      let bytes = 0;
      for (const target of batch.targets) if (target >= 0) bytes += tokenizer.bytesOf(target).length;
      count(bytes, batch.trainedTokens);
      yield batch;
    }
  }
}

for (const name of names) {
  const files = await openModelFiles(name, { offline: true });
  const backend = await openBackend("cpu");
  const model = await loadModel(new Arena(backend), files.source, { base: "file", compute: "f32" });
  model.prepare(LENGTH);
  const scores: Record<string, { bitsPerByte: number; bytesPerToken: number }> = {};
  for (const source of SOURCES) {
    const documents = documentsOf(source, Number(bytesText));
    if (documents.length === 0) continue;
    let [bytes, tokens] = [0, 0];
    const batches = batchesOf(documents, files.tokenizer, (b, t) => {
      bytes += b;
      tokens += t;
    });
    const { loss } = await evaluate(model, batches);
    scores[source] = {
      bitsPerByte: Number(((loss * tokens) / Math.LN2 / bytes).toFixed(4)),
      bytesPerToken: Number((bytes / tokens).toFixed(3)),
    };
  }
  console.log(JSON.stringify({ model: name, scores }));
  model.dispose();
  backend.dispose();
}
