/** Folder → index → search, on a real LanceDB: Japanese and English, incremental, with vectors from an embedder that counts its work. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { wordsOf } from "../chunks/split-sentences.ts";
import { ruleOfThumb } from "../chunks/token-counter.ts";
import { findDocuments } from "../documents/find-documents.ts";
import type { Embedder } from "../embedder.ts";
import { type IndexCounts, indexDocuments } from "../index-documents.ts";
import { retrieve } from "../retrieve.ts";
import { makePdf } from "../testing/make-pdf.ts";
import { DocumentIndex } from "./document-index.ts";
import { type Lance, openLance } from "./open-lance.ts";

const root = mkdtempSync(join(tmpdir(), "remora-index-"));
afterAll(() => rmSync(root, { recursive: true, force: true }));
const now = () => new Date("2026-11-26T12:00:00Z");
const sizes = { chunkTokens: 64, overlapTokens: 0 };

/** Each word has its own direction, synonyms one together: enough to tell meaning from letters. */
function wordEmbedder(): Embedder & { embedded: string[] } {
  const synonyms: Record<string, string> = { automobile: "car", vehicle: "car", 自動車: "car" };
  const embedded: string[] = [];
  return {
    name: "words",
    dimensions: 64,
    embedded,
    async embed(texts) {
      embedded.push(...texts);
      return texts.map((text) => {
        const vector = new Float32Array(64);
        for (const word of wordsOf(text)) {
          let hash = 7;
          for (const letter of synonyms[word] ?? word) hash = (hash * 31 + letter.codePointAt(0)!) % 64;
          vector[hash]! += 1;
        }
        const length = Math.hypot(...vector) || 1;
        return vector.map((value) => value / length);
      });
    },
    close: async () => {},
  };
}

async function fill(name: string, folder: string, embedder?: Embedder): Promise<{ index: DocumentIndex; counts: IndexCounts }> {
  const index = await DocumentIndex.open(join(root, name), "Testing");
  if (!index.settings)
    await index.begin({
      ...sizes,
      counter: ruleOfThumb.name,
      embedder: embedder && { model: embedder.name, dimensions: embedder.dimensions },
    });
  return { index, counts: await indexDocuments(index, findDocuments([folder]), { sizes, counter: ruleOfThumb, embedder, now }) };
}

const documentsOf = async (index: DocumentIndex, question: string, embedder?: Embedder) =>
  (await retrieve(index, question, { limit: 3, candidates: 10, embedder })).hits.map(({ document }) => document.split("/").at(-1));

test("full text finds Japanese and English; a run again reads only what changed; what is gone leaves", async () => {
  const folder = join(root, "docs");
  mkdirSync(folder);
  const write = (name: string, text: string | Uint8Array) => writeFileSync(join(folder, name), text);
  write("ja.md", "# 首都\n東京は日本の首都です。");
  write("en.md", "# Fish\nRemoras attach themselves to sharks.");
  write("it's.txt", "An apostrophe in the name.");
  write("locked.pdf", makePdf(["x"], { encrypted: true }));

  const first = await fill("text", folder);
  expect(first.counts.documents).toEqual({ added: 3, changed: 0, unchanged: 0, removed: 0, failed: 1 });
  expect(first.counts.failures).toMatchObject([{ reason: "the PDF is encrypted and asks for a password" }]);
  expect(await documentsOf(first.index, "日本の首都はどこですか")).toEqual(["ja.md"]);
  expect((await documentsOf(first.index, "What does a remora attach to?"))[0]).toBe("en.md");
  expect(await documentsOf(first.index, "no such thing whatsoever")).not.toContain("ja.md");
  expect(await documentsOf(first.index, '"" AND (')).toEqual([]);
  const [hit] = (await retrieve(first.index, "首都", { limit: 1, candidates: 5 })).hits;
  expect(hit).toMatchObject({ heading: "首都", text: "東京は日本の首都です。", textRank: 1, coverage: 1, similarity: undefined });
  first.index.close();

  write("en.md", "# Fish\nRemoras attach themselves to whales.");
  write("it's.txt", "Another apostrophe.");
  rmSync(join(folder, "ja.md"));
  const second = await fill("text", folder);
  expect(second.counts.documents).toEqual({ added: 0, changed: 2, unchanged: 0, removed: 1, failed: 1 });
  expect(await documentsOf(second.index, "日本の首都はどこですか")).toEqual([]);
  expect(await documentsOf(second.index, "whales")).toEqual(["en.md"]);
  expect(await documentsOf(second.index, "sharks")).toEqual([]);
  expect(await second.index.chunkCount()).toBe(2);
  second.index.close();

  const third = await fill("text", folder);
  expect(third.counts.documents).toMatchObject({ changed: 0, unchanged: 2 });
  third.index.close();
});

test("what cannot be read is kept with its reason until it can be read, or is gone", async () => {
  const folder = join(root, "unreadable");
  mkdirSync(folder);
  const write = (name: string, content: string | Uint8Array) => writeFileSync(join(folder, name), content);
  write("good.md", "Remoras attach themselves to sharks.");
  write("locked.pdf", makePdf(["Whales are large."], { encrypted: true }));
  write("it's broken.pdf", "%PDF-1.7 and then nothing");
  write("turns.txt", "A text that will turn bad.");
  const unread = async (index: DocumentIndex) =>
    (await index.unread()).map(({ document, ...rest }) => ({ document: document.split("/").at(-1), ...rest }));

  const first = await fill("unread", folder);
  const triedAt = "2026-11-26T12:00:00.000Z";
  const broken = {
    document: "it's broken.pdf",
    reason: expect.stringMatching(/^expected a PDF, found damage: /),
    next: "Open it in a viewer and save it again.",
    triedAt,
    keepsOldText: false,
  };
  const locked = {
    document: "locked.pdf",
    reason: "the PDF is encrypted and asks for a password",
    next: "Save a copy without a password.",
    triedAt,
    keepsOldText: false,
  };
  expect(await unread(first.index)).toEqual([broken, locked]);
  first.index.close();

  // Another process sees it, and a second failure does not stand there twice.
  write("turns.txt", Uint8Array.of(0x93, 0xfa, 0x96, 0x7b));
  const second = await fill("unread", folder);
  expect(await unread(second.index)).toEqual([
    broken,
    locked,
    expect.objectContaining({ document: "turns.txt", reason: expect.stringContaining("shift_jis"), keepsOldText: true }),
  ]);
  expect(await documentsOf(second.index, "turn bad")).toEqual(["turns.txt"]);
  // A run over other files says nothing of these.
  await indexDocuments(second.index, findDocuments([join(folder, "good.md")]), { sizes, counter: ruleOfThumb, now });
  expect(await unread(second.index)).toHaveLength(3);
  second.index.close();

  write("locked.pdf", makePdf(["Whales are large."]));
  write("turns.txt", "A text that will turn bad.");
  rmSync(join(folder, "it's broken.pdf"));
  const third = await fill("unread", folder);
  expect(third.counts.documents).toEqual({ added: 1, changed: 0, unchanged: 2, removed: 1, failed: 0 });
  expect(await unread(third.index)).toEqual([]);
  expect(await documentsOf(third.index, "whales")).toEqual(["locked.pdf"]);
  third.index.close();
});

test("vectors find other words for it; equal chunks keep their vector", async () => {
  const folder = join(root, "cars");
  mkdirSync(folder);
  const sections = ["# Car\nA car has four wheels.", "# Fish\nA remora holds on.", "# Rain\nRain falls."];
  writeFileSync(join(folder, "a.md"), sections.join("\n\n"));
  const embedder = wordEmbedder();
  const first = await fill("vectors", folder, embedder);
  expect(first.counts).toMatchObject({ chunksCut: 3, chunksEmbedded: 3 });
  const { hits, search } = await retrieve(first.index, "automobile", { limit: 3, candidates: 10, embedder });
  expect(search).toBe("both");
  expect(hits[0]).toMatchObject({ heading: "Car", vectorRank: 1, textRank: undefined });
  expect(hits[0]!.similarity).toBeGreaterThan(0.3);
  await expect(retrieve(first.index, "x", { search: "vectors", limit: 1, candidates: 1 })).rejects.toThrow(/expected vectors/);
  first.index.close();

  writeFileSync(join(folder, "a.md"), [...sections.slice(0, 2), "# Snow\nSnow falls."].join("\n\n"));
  embedder.embedded.length = 0;
  const second = await fill("vectors", folder, embedder);
  expect(embedder.embedded).toEqual(["Snow\nSnow falls."]);
  expect(second.counts).toMatchObject({ chunksCut: 3, chunksEmbedded: 1 });
  expect((await retrieve(second.index, "vehicle", { limit: 1, candidates: 3, embedder })).hits[0]!.heading).toBe("Car");
  second.index.close();
});

test("an interrupted run keeps what it wrote, and the next goes on", async () => {
  const folder = join(root, "many");
  mkdirSync(folder);
  for (let i = 0; i < 6; i++) writeFileSync(join(folder, `${i}.txt`), `Document number ${i}.`);
  writeFileSync(join(folder, "0.pdf"), makePdf(["x"], { encrypted: true }));
  const index = await DocumentIndex.open(join(root, "stopped"), "Testing");
  await index.begin({ ...sizes, counter: ruleOfThumb.name });
  const stop = new AbortController();
  let seen = 0;
  const run = indexDocuments(index, findDocuments([folder]), {
    sizes,
    counter: ruleOfThumb,
    now,
    signal: stop.signal,
    onEvent: () => ++seen === 4 && stop.abort(),
  });
  await expect(run).rejects.toMatchObject({ code: "cancelled" });
  expect((await index.documents()).size).toBe(3);
  expect(await index.unread()).toMatchObject([{ reason: "the PDF is encrypted and asks for a password" }]);
  const counts = await indexDocuments(index, findDocuments([folder]), { sizes, counter: ruleOfThumb, now });
  expect(counts.documents).toMatchObject({ added: 3, unchanged: 3 });
  expect(await index.chunkCount()).toBe(6);
  index.close();
});

test("without LanceDB the error gives the install line", async () => {
  const missing = () =>
    Promise.reject<Lance>(Object.assign(new Error("Cannot find package '@lancedb/lancedb'"), { code: "ERR_MODULE_NOT_FOUND" }));
  await expect(openLance("Making an index", missing)).rejects.toThrowErrorMatchingInlineSnapshot(`
    [MissingPackageError: Making an index: the package @lancedb/lancedb is not installed
      Install it beside remora: npm install @lancedb/lancedb@0.31]
  `);
});
