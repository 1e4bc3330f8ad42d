/**
 * Retrieval hit rate at 5: how often the paragraph that a question was written for stands among the five best, for full text, vectors and both.
 *
 *   npx tsx bench/retrieval/hit-rate.ts --data FOLDER --embedder MODEL [--questions 600] [--out bench/results/retrieval-hit-rate.json]
 *
 * FOLDER holds squad-v2-dev-half.json and jaquad-dev.json. Every paragraph is one row of a JSONL document; a paragraph longer than a chunk is several
 * chunks, any of which counts. Answerable questions only: the others have no paragraph.
 */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { indexDocuments } from "../../src/engine/index-documents.ts";
import { openEmbedder } from "../../src/engine/open-embedder.ts";
import { judgeSupport } from "../../src/retrieval/answer/answer-question.ts";
import { type Retrieved, retrieve, type SearchMode } from "../../src/retrieval/retrieve.ts";
import { DocumentIndex } from "../../src/retrieval/store/document-index.ts";
import { readQa, sample } from "./qa-passages.ts";

const { values } = parseArgs({
  options: {
    data: { type: "string" },
    embedder: { type: "string" },
    questions: { type: "string", default: "600" },
    out: { type: "string" },
  },
});
if (!values.data || !values.embedder) throw new Error("usage: --data FOLDER --embedder MODEL [--questions N] [--out FILE]");
const LIMIT = 5;
const folder = mkdtempSync(join(tmpdir(), "remora-hit-rate-"));
const results: Record<string, unknown>[] = [];
const embedder = await openEmbedder({ model: values.embedder });
try {
  const sets = {
    "squad-v2-dev-half": readQa(join(values.data, "squad-v2-dev-half.json")),
    jaquad: readQa(join(values.data, "jaquad-dev.json")),
  };
  const foreign = { "squad-v2-dev-half": sets.jaquad, jaquad: sets["squad-v2-dev-half"] };
  for (const [name, set] of Object.entries(sets)) {
    const documents = join(folder, name);
    mkdirSync(documents);
    writeFileSync(join(documents, "passages.jsonl"), set.passages.map(({ title, text }) => JSON.stringify({ title, text })).join("\n"));
    const path = join(folder, `${name}-index`);
    const report = await indexDocuments({ documents, index: path, embedder: values.embedder });
    const index = await DocumentIndex.open(path, "Measuring");
    const asked = sample(
      set.questions.filter(({ answerable }) => answerable),
      Number(values.questions),
    );
    const rates: Record<string, unknown> = {};
    for (const search of ["text", "vectors", "both"] as const) {
      const found: { ok: boolean; first: boolean; similarity: number | undefined; coverage: number }[] = [];
      const start = performance.now();
      for (const { text, passage } of asked) {
        const { hits } = await run(index, text, search);
        const rows = hits.map(({ place }) => `p${Number(place.replace("row ", "")) - 1}`);
        const { bestSimilarity, bestCoverage } = judgeSupport(hits, { minSimilarity: 1, minCoverage: 1 });
        found.push({ ok: rows.includes(passage), first: rows[0] === passage, similarity: bestSimilarity, coverage: bestCoverage });
      }
      const share = (count: number) => Math.round((1000 * count) / found.length) / 10;
      rates[search] = {
        hitAt5: share(found.filter(({ ok }) => ok).length),
        hitAt1: share(found.filter(({ first }) => first).length),
        millisecondsPerQuestion: Math.round((performance.now() - start) / found.length),
        similarityPercentiles: percentiles(found.flatMap(({ similarity }) => similarity ?? [])),
        coveragePercentiles: percentiles(found.map(({ coverage }) => coverage)),
      };
    }
    // Questions of the other set have no answer here: what the thresholds of support must tell apart.
    const strangers: { similarity: number | undefined; coverage: number }[] = [];
    for (const { text } of sample(foreign[name as keyof typeof sets].questions, 200)) {
      const { bestSimilarity, bestCoverage } = judgeSupport((await run(index, text, "both")).hits, { minSimilarity: 1, minCoverage: 1 });
      strangers.push({ similarity: bestSimilarity, coverage: bestCoverage });
    }
    index.close();
    results.push({
      set: name,
      passages: set.passages.length,
      chunks: report.chunks,
      questions: asked.length,
      indexSeconds: Math.round(report.seconds * 10) / 10,
      rates,
      foreignQuestions: {
        similarityPercentiles: percentiles(strangers.flatMap(({ similarity }) => similarity ?? [])),
        coveragePercentiles: percentiles(strangers.map(({ coverage }) => coverage)),
      },
    });
    console.log(JSON.stringify(results.at(-1), null, 1));
  }
  const record = {
    benchmark: "retrieval hit rate",
    embedder: values.embedder.split("/").at(-1),
    limit: LIMIT,
    node: process.version,
    results,
  };
  if (values.out) writeFileSync(values.out, `${JSON.stringify(record, null, 2)}\n`);
} finally {
  await embedder.close();
  rmSync(folder, { recursive: true, force: true });
}

function run(index: DocumentIndex, question: string, search: SearchMode): Promise<Retrieved> {
  return retrieve(index, question, { search, limit: LIMIT, candidates: 50, embedder });
}

function percentiles(numbers: readonly number[]): Record<string, number> {
  const sorted = [...numbers].sort((a, b) => a - b);
  const at = (share: number) => Math.round(1000 * (sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))] ?? 0)) / 1000;
  return { p5: at(0.05), p25: at(0.25), p50: at(0.5), p75: at(0.75), p95: at(0.95) };
}
