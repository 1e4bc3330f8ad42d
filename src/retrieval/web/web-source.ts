/**
 * The web as a source of answers: given addresses and what a search engine finds, read politely, kept on disk, cut like any document, and cited with
 * address and date. A page that cannot be read is reported and the rest goes on.
 */
import { createHash } from "node:crypto";
import { CancelledError } from "../../errors/cancelled-error.ts";
import { RemoraError } from "../../errors/remora-error.ts";
import { WebError } from "../../errors/web-error.ts";
import { cutChunks } from "../chunks/cut-chunks.ts";
import { ruleOfThumb } from "../chunks/token-counter.ts";
import { contentWords, coverageOf } from "../content-words.ts";
import type { Document } from "../documents/document.ts";
import type { Hit } from "../hit.ts";
import { bm25 } from "./rank-chunks.ts";
import type { PageReader, WebPage } from "./read-page.ts";
import type { SearchEngine } from "./search-engine.ts";
import type { WebCache } from "./web-cache.ts";

/** As an index's default: sources of one size, wherever they come from. */
export const WEB_CHUNK_TOKENS = 256;
const OVERLAP_TOKENS = 32;

export interface WebSourceOptions {
  readonly reader: PageReader;
  readonly cache: WebCache;
  readonly maxAgeMs: number;
  readonly pages: readonly string[];
  readonly engine?: SearchEngine;
  /** Found pages that are read. */
  readonly results: number;
  /** Nothing is fetched; what is kept serves, however old. */
  readonly offline: boolean;
  readonly onProblem?: (url: string, problem: string) => void;
  /** Milliseconds since 1970. */
  readonly now?: () => number;
}

export class WebSource {
  readonly #options: WebSourceOptions;
  /** Pages under way: several debaters ask for the same ones at once. */
  readonly #reading = new Map<string, Promise<WebPage>>();
  readonly #reported = new Set<string>();

  constructor(options: WebSourceOptions) {
    this.#options = options;
  }

  /** Chunks that share words with the question, best first. @throws CancelledError; EndpointError when the search engine fails */
  async hits(question: string, limit: number, signal?: AbortSignal): Promise<Hit[]> {
    const pages = await this.pages([question], signal);
    const chunks = (await Promise.all(pages.map(chunksOf))).flat();
    const scores = bm25(
      question,
      chunks.map(({ heading, text }) => `${heading}\n${text}`),
    );
    const words = contentWords(question);
    return chunks
      .map((chunk, index) => ({ ...chunk, score: scores[index]!, coverage: coverageOf(words, `${chunk.heading}\n${chunk.text}`) }))
      .filter(({ score }) => score > 0)
      .sort((a, b) => b.score - a.score)
      .slice(0, limit)
      .map((hit, index) => ({ ...hit, textRank: index + 1, textScore: hit.score }));
  }

  /** The given addresses and what the engine finds for each question, without those that cannot be read. */
  async pages(questions: readonly string[], signal?: AbortSignal): Promise<WebPage[]> {
    const found: string[] = [];
    for (const question of questions) found.push(...(await this.#search(question, signal)));
    const addresses = [...new Set([...this.#options.pages, ...found])];
    const read = await Promise.all(addresses.map((address) => this.#readOrReport(address, signal)));
    // Two addresses may lead to one page.
    return [...new Map(read.flatMap((page) => (page ? [[page.url, page] as const] : []))).values()];
  }

  async #search(question: string, signal: AbortSignal | undefined): Promise<string[]> {
    const { engine, results, cache, offline } = this.#options;
    if (!engine) return [];
    const key = JSON.stringify(["search", engine.name, question, results]);
    const kept = this.#fresh<string[]>(key);
    if (kept) return kept;
    if (offline) return [];
    const addresses = await engine.find(question, results, signal);
    cache.set(key, addresses, this.#now());
    return addresses;
  }

  async #readOrReport(address: string, signal: AbortSignal | undefined): Promise<WebPage | undefined> {
    try {
      return await this.#read(address, signal);
    } catch (error) {
      if (CancelledError.isInstance(error) || !RemoraError.isInstance(error)) throw error;
      if (!this.#reported.has(address)) this.#options.onProblem?.(address, error.problem);
      this.#reported.add(address);
      return undefined;
    }
  }

  #read(address: string, signal: AbortSignal | undefined): Promise<WebPage> {
    const key = JSON.stringify(["page", address]);
    const kept = this.#fresh<WebPage>(key);
    if (kept) return Promise.resolve(kept);
    const { offline, reader, cache } = this.#options;
    if (offline) return Promise.reject(new WebError(address, "it is not kept from before, and --offline forbids reading it"));
    const under = this.#reading.get(address);
    if (under) return under;
    const reading = reader.read(address, signal).then((page) => {
      cache.set(key, page, this.#now());
      return page;
    });
    this.#reading.set(address, reading);
    const forget = () => this.#reading.delete(address);
    reading.then(forget, forget);
    return reading;
  }

  #fresh<T>(key: string): T | undefined {
    const kept = this.#options.cache.get<T>(key);
    return kept && (this.#options.offline || this.#now() - kept.keptAt <= this.#options.maxAgeMs) ? kept.value : undefined;
  }

  #now(): number {
    return (this.#options.now ?? Date.now)();
  }
}

/** The page as a document to index or to cut: where a source stands ends with when it was read. */
export function datedDocument({ document, readAt }: WebPage): Document {
  const date = `read ${readAt.slice(0, 10)}`;
  return {
    title: document.title,
    sections: document.sections.map((section) => ({ ...section, place: section.place === "" ? date : `${section.place}, ${date}` })),
  };
}

async function chunksOf(page: WebPage) {
  const chunks = await cutChunks(datedDocument(page), { chunkTokens: WEB_CHUNK_TOKENS, overlapTokens: OVERLAP_TOKENS }, ruleOfThumb);
  return chunks.map(({ heading, place, text, tokens }, ordinal) => {
    const id = createHash("sha256").update(`${heading}\n${text}`).digest("hex").slice(0, 32);
    return { id, document: page.url, ordinal, title: page.document.title, heading, place, text, tokens };
  });
}
