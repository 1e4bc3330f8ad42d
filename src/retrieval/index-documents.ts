/**
 * Files → index, and only what changed: a file whose bytes hash as before is left alone, a changed one is cut anew (chunks that stayed equal keep
 * their vectors), a file that is gone from the named folders leaves the index. What cannot be read is reported by name, noted in the index until it
 * can be read or is gone, and the rest goes on.
 */
import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import { CancelledError } from "../errors/cancelled-error.ts";
import { FileAccessError } from "../errors/file-access-error.ts";
import { RemoraError } from "../errors/remora-error.ts";
import { type Chunk, type ChunkSizes, cutChunks } from "./chunks/cut-chunks.ts";
import type { TokenCounter } from "./chunks/token-counter.ts";
import type { Document } from "./documents/document.ts";
import { type FoundDocuments, liesUnder } from "./documents/find-documents.ts";
import { type ReadDocumentOptions, readDocument } from "./documents/read-document.ts";
import type { Embedder } from "./embedder.ts";
import type { ChunkRow, DocumentIndex, StoredDocument } from "./store/document-index.ts";

/** Chunks written at once: every write is a new version of the table, and vectors of a batch are held in memory. */
const WRITE_CHUNKS = 2000;

export type DocumentChange = "added" | "changed" | "unchanged" | "removed" | "failed";

export interface IndexEvent {
  readonly event: "document-end";
  readonly document: string;
  readonly change: DocumentChange;
  readonly chunks: number;
  /** Why it failed. */
  readonly reason?: string;
  readonly done: number;
  readonly total: number;
}

export interface IndexCounts {
  readonly documents: Record<DocumentChange, number>;
  /** Chunks that were cut, and those among them that needed a new vector. */
  chunksCut: number;
  chunksEmbedded: number;
  tokens: number;
  readonly failures: FailedDocument[];
}

export interface FailedDocument {
  readonly document: string;
  readonly reason: string;
  /** What to do about it. */
  readonly next?: string;
}

/** A document that is at hand already: a page of the web, under its address. */
export interface ReadyDocument {
  readonly name: string;
  readonly document: Document;
}

export interface IndexingOptions extends ReadDocumentOptions {
  readonly ready?: readonly ReadyDocument[];
  /** What was found to be unreadable on the way here: pages of the web. */
  readonly failed?: readonly FailedDocument[];
  readonly sizes: ChunkSizes;
  readonly counter: TokenCounter;
  readonly embedder?: Embedder;
  readonly onEvent?: (event: IndexEvent) => void;
  readonly now: () => Date;
}

/** @throws CancelledError: what was written stays, and the next run goes on there */
export async function indexDocuments(index: DocumentIndex, found: FoundDocuments, options: IndexingOptions): Promise<IndexCounts> {
  const known = await index.documents();
  const unread = new Set((await index.unread()).map(({ document }) => document));
  const counts: IndexCounts = {
    documents: { added: 0, changed: 0, unchanged: 0, removed: 0, failed: 0 },
    chunksCut: 0,
    chunksEmbedded: 0,
    tokens: 0,
    failures: [],
  };
  const sources = [
    ...[...found.documents].map(([name, path]) => fileSource(name, path, options)),
    ...(options.ready ?? []).map(readySource),
  ];
  const { failed = [] } = options;
  let done = 0;
  const report = (document: string, change: DocumentChange, chunks: number, reason?: string) => {
    counts.documents[change]++;
    done++;
    options.onEvent?.({ event: "document-end", document, change, chunks, reason, done, total: sources.length + failed.length });
  };
  const fail = (failure: FailedDocument) => {
    counts.failures.push(failure);
    report(failure.document, "failed", 0, failure.reason);
  };
  failed.forEach(fail);
  const batch = new Batch(index, options, counts);
  const readable: string[] = [];
  const finish = async (gone: readonly string[] = []) => {
    await batch.flush();
    await index.remove(gone);
    await index.forgetUnread([...readable, ...gone].filter((name) => unread.has(name)));
    const triedAt = options.now().toISOString();
    await index.noteUnread(counts.failures.map((failure) => ({ ...failure, triedAt })));
  };
  for (const { name, hashOf, read } of sources) {
    if (options.signal?.aborted) {
      await finish();
      throw new CancelledError("Indexing documents");
    }
    try {
      const hash = await hashOf();
      const before = known.get(name);
      if (before?.hash === hash) {
        readable.push(name);
        report(name, "unchanged", before.chunks);
        continue;
      }
      const document = await read();
      const chunks = await cutChunks(document, options.sizes, options.counter);
      await batch.add({ document: name, hash, title: document.title, chunks: chunks.length }, chunks, before !== undefined);
      readable.push(name);
      report(name, before ? "changed" : "added", chunks.length);
    } catch (error) {
      if (CancelledError.isInstance(error)) throw error;
      if (options.signal?.aborted || !RemoraError.isInstance(error) || !isAboutDocument(error)) throw error;
      fail({ document: name, reason: error.problem, next: error.next });
    }
  }
  const gone = [...new Set([...known.keys(), ...unread])].filter(
    (name) => !found.documents.has(name) && found.roots.some((root) => liesUnder(name, root)),
  );
  await finish(gone);
  for (const name of gone) report(name, "removed", 0);
  await index.finish();
  return counts;
}

interface Source {
  readonly name: string;
  hashOf(): Promise<string>;
  read(): Promise<Document>;
}

const fileSource = (name: string, path: string, options: ReadDocumentOptions): Source => ({
  name,
  hashOf: () => hashOf(path),
  read: () => readDocument(path, options),
});

const readySource = ({ name, document }: ReadyDocument): Source => ({
  name,
  hashOf: async () => createHash("sha256").update(JSON.stringify(document)).digest("hex"),
  read: async () => document,
});

/** A broken endpoint or a full disk is no fault of the document: the run stops. */
const isAboutDocument = (error: RemoraError): boolean => ["document", "data", "file-access"].includes(error.code);

class Batch {
  readonly #index: DocumentIndex;
  readonly #options: IndexingOptions;
  readonly #counts: IndexCounts;
  #documents: StoredDocument[] = [];
  #rows: ChunkRow[] = [];
  #changed: string[] = [];

  constructor(index: DocumentIndex, options: IndexingOptions, counts: IndexCounts) {
    this.#index = index;
    this.#options = options;
    this.#counts = counts;
  }

  async add(document: StoredDocument, chunks: readonly Chunk[], replaces: boolean): Promise<void> {
    this.#documents.push(document);
    if (replaces) this.#changed.push(document.document);
    for (const [ordinal, { heading, place, text, tokens }] of chunks.entries()) {
      const full = heading === "" ? text : `${heading}\n${text}`;
      this.#rows.push({ id: contentId(full), document: document.document, ordinal, title: document.title, heading, place, full, tokens });
      this.#counts.chunksCut++;
      this.#counts.tokens += tokens;
    }
    if (this.#rows.length >= WRITE_CHUNKS) await this.flush();
  }

  async flush(): Promise<void> {
    const [documents, rows, changed] = [this.#documents, this.#rows, this.#changed];
    if (documents.length === 0) return;
    [this.#documents, this.#rows, this.#changed] = [[], [], []];
    await this.#index.put(documents, await this.#withVectors(rows, changed));
  }

  async #withVectors(rows: readonly ChunkRow[], changed: readonly string[]): Promise<readonly ChunkRow[]> {
    const { embedder, signal } = this.#options;
    if (!embedder) return rows;
    const vectors = await this.#index.vectorsOf(changed);
    const missing = [...new Map(rows.filter(({ id }) => !vectors.has(id)).map(({ id, full }) => [id, full]))];
    const made = await embedder.embed(
      missing.map(([, full]) => full),
      { role: "passage", signal },
    );
    for (const [place, [id]] of missing.entries()) vectors.set(id, made[place]!);
    this.#counts.chunksEmbedded += missing.length;
    return rows.map((row) => ({ ...row, vector: vectors.get(row.id)! }));
  }
}

const contentId = (full: string): string => createHash("sha256").update(full).digest("hex").slice(0, 32);

async function hashOf(path: string): Promise<string> {
  const hash = createHash("sha256");
  try {
    for await (const piece of createReadStream(path)) hash.update(piece as Buffer);
  } catch (cause) {
    throw new FileAccessError("Reading", path, cause);
  }
  return hash.digest("hex");
}
