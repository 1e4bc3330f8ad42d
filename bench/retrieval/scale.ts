/**
 * Does an index of 50,000 chunks stay quick? Documents are cut and indexed without embedding, then again with vectors from a stand-in (random
 * directions, drawn from the text: the arithmetic of a search does not care what they mean), and questions are timed.
 *
 *   npx tsx bench/retrieval/scale.ts --data FOLDER [--chunks 50000] [--out bench/results/retrieval-scale.json]
 *
 * FOLDER holds squad-v2-dev-half.json and jaquad-dev.json; their paragraphs are repeated under numbered titles until there are enough chunks.
 */
import { createHash } from "node:crypto";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { cpus, loadavg, tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { cutChunks } from "../../src/retrieval/chunks/cut-chunks.ts";
import { ruleOfThumb } from "../../src/retrieval/chunks/token-counter.ts";
import { findDocuments } from "../../src/retrieval/documents/find-documents.ts";
import type { Embedder } from "../../src/retrieval/embedder.ts";
import { indexDocuments } from "../../src/retrieval/index-documents.ts";
import { retrieve } from "../../src/retrieval/retrieve.ts";
import { DocumentIndex } from "../../src/retrieval/store/document-index.ts";
import { readQa, sample } from "./qa-passages.ts";

const { values } = parseArgs({
  options: { data: { type: "string" }, chunks: { type: "string", default: "50000" }, out: { type: "string" } },
});
if (!values.data) throw new Error("usage: --data FOLDER [--chunks N] [--out FILE]");
const wanted = Number(values.chunks);
const DIMENSIONS = 384;
const sizes = { chunkTokens: 256, overlapTokens: 32 };
const folder = mkdtempSync(join(tmpdir(), "remora-scale-"));

const standIn: Embedder = {
  name: "stand-in",
  dimensions: DIMENSIONS,
  embed: async (texts) => texts.map(direction),
  close: async () => {},
};

try {
  const sets = [readQa(join(values.data, "squad-v2-dev-half.json")), readQa(join(values.data, "jaquad-dev.json"))];
  const passages = sets.flatMap((set) => set.passages);
  const questions = sample(
    sets.flatMap((set) => set.questions.map(({ text }) => text)),
    200,
  );
  const perPassage: number[] = [];
  for (const { title, text } of passages) {
    const document = { title, sections: [{ headings: [`${title} 0`], place: "", text }] };
    perPassage.push((await cutChunks(document, sizes, ruleOfThumb)).length);
  }
  let characters = 0;
  for (let copy = 0, chunks = 0; chunks < wanted; copy++) {
    const rows: string[] = [];
    for (const [place, { title, text }] of passages.entries()) {
      if (chunks >= wanted) break;
      chunks += perPassage[place]!;
      characters += text.length;
      rows.push(JSON.stringify({ title: `${title} ${copy}`, text }));
    }
    writeFileSync(join(folder, `part-${String(copy).padStart(3, "0")}.jsonl`), rows.join("\n"));
  }
  const found = findDocuments([folder]);
  const record: Record<string, unknown> = {
    benchmark: "retrieval scale",
    node: process.version,
    processor: cpus()[0]?.model,
    cores: cpus().length,
    loadAverage: loadavg()[0],
    characters,
  };
  for (const embedder of [undefined, standIn]) {
    const index = await DocumentIndex.open(join(folder, `index-${embedder ? "vectors" : "text"}`), "Measuring");
    await index.begin({
      ...sizes,
      counter: ruleOfThumb.name,
      ...(embedder ? { embedder: { model: embedder.name, dimensions: DIMENSIONS } } : {}),
    });
    const before = process.cpuUsage();
    const start = performance.now();
    const counts = await indexDocuments(index, found, { sizes, counter: ruleOfThumb, embedder, now: () => new Date() });
    const used = process.cpuUsage(before);
    const wall = (performance.now() - start) / 1000;
    const again = performance.now();
    const unchanged = await indexDocuments(index, found, { sizes, counter: ruleOfThumb, embedder, now: () => new Date() });
    const secondRun = (performance.now() - again) / 1000;
    const times: number[] = [];
    const cpuBefore = process.cpuUsage();
    for (const question of [...questions.slice(0, 10), ...questions]) {
      const begin = performance.now();
      const { hits } = await retrieve(index, question, { limit: 5, candidates: 50, embedder });
      if (hits.length === 0 && embedder) throw new Error(`nothing was found for ${question}`);
      times.push(performance.now() - begin);
    }
    const cpu = process.cpuUsage(cpuBefore);
    const timed = times.slice(10).sort((a, b) => a - b);
    record[embedder ? "with vectors" : "full text alone"] = {
      chunks: counts.chunksCut,
      indexSeconds: round(wall),
      indexCpuSeconds: round((used.user + used.system) / 1e6),
      secondRunSeconds: round(secondRun),
      secondRunUnchanged: unchanged.documents.unchanged,
      queryMilliseconds: { p50: round(timed[100]!), p90: round(timed[180]!), worst: round(timed.at(-1)!) },
      // Of all threads: what a question costs however busy the machine is.
      queryCpuMilliseconds: round((cpu.user + cpu.system) / 1000 / times.length),
    };
    index.close();
  }
  console.log(JSON.stringify(record, null, 1));
  if (values.out) writeFileSync(values.out, `${JSON.stringify(record, null, 2)}\n`);
} finally {
  rmSync(folder, { recursive: true, force: true });
}

/** A direction that the text alone decides. */
function direction(text: string): Float32Array {
  const seed = createHash("sha256").update(text).digest();
  let state = seed.readUInt32LE(0);
  const vector = new Float32Array(DIMENSIONS);
  let square = 0;
  for (let i = 0; i < DIMENSIONS; i++) {
    state = (Math.imul(state, 1664525) + 1013904223) | 0;
    vector[i] = state / 2 ** 31;
    square += vector[i]! ** 2;
  }
  return vector.map((value) => value / Math.sqrt(square));
}

function round(value: number): number {
  return Math.round(value * 10) / 10;
}
