/**
 * Retrieval as functions of the front door: configs in, an index filled or opened. What makes vectors runs in the engine's worker, or behind an
 * address; everything else runs here.
 */
import { readFileSync, statSync } from "node:fs";
import { parseConfig } from "../config/parse.ts";
import {
  type AskConfig,
  type EmbedderConfigInput,
  type IndexConfig,
  type IndexConfigInput,
  indexSchema,
} from "../config/schemas/retrieval.ts";
import type { WebConfig } from "../config/schemas/web.ts";
import { ConfigError } from "../errors/config-error.ts";
import { IndexError } from "../errors/index-error.ts";
import { ruleOfThumb, type TokenCounter } from "../retrieval/chunks/token-counter.ts";
import { type FoundDocuments, findDocuments } from "../retrieval/documents/find-documents.ts";
import type { Embedder } from "../retrieval/embedder.ts";
import {
  type FailedDocument,
  indexDocuments as fillIndex,
  type IndexCounts,
  type IndexEvent,
  type ReadyDocument,
} from "../retrieval/index-documents.ts";
import { maximalMarginalRelevance } from "../retrieval/rerank/maximal-marginal-relevance.ts";
import { remoteCrossEncoder } from "../retrieval/rerank/remote-cross-encoder.ts";
import type { Reranker } from "../retrieval/rerank/reranker.ts";
import { pointsOfView } from "../retrieval/rerank/viewpoints.ts";
import type { RetrieveOptions, SearchMode } from "../retrieval/retrieve.ts";
import { DocumentIndex, type IndexSettings, isMissing, type UnreadDocument } from "../retrieval/store/document-index.ts";
import { datedDocument, WEB_CHUNK_TOKENS, type WebSource } from "../retrieval/web/web-source.ts";
import { openEmbedder } from "./open-embedder.ts";
import { openWeb } from "./open-web.ts";

/** Tokens of an encoder's limit that are left for its frame and prefix. */
const ENCODER_RESERVE = 8;

/** What `indexDocuments()` resolves to, and `remora index --json` prints. */
export interface IndexReport extends IndexCounts {
  readonly index: string;
  /** In the index afterwards. */
  readonly chunks: number;
  readonly embedder: { readonly model: string; readonly dimensions: number } | null;
  /** Everything was made again, and why. */
  readonly rebuilt?: string;
  /** Everything that was met and could not be read, in this run or an earlier one, and is still there. */
  readonly unread: readonly UnreadDocument[];
  /** Files of other kinds in the folders, by ending. */
  readonly skipped: Readonly<Record<string, number>>;
  readonly seconds: number;
}

type EmbeddingConfig = Pick<
  AskConfig,
  "embedder" | "embedderUrl" | "embedderPooling" | "queryPrefix" | "passagePrefix" | "device" | "threads" | "offline"
>;

/**
 * Fills an index with documents, and only with what changed.
 * @throws RemoraError: nothing to index, no LanceDB, an encoder that cannot be loaded
 */
export async function indexDocuments(
  input: IndexConfigInput,
  options: { onEvent?: (event: IndexEvent) => void; signal?: AbortSignal } = {},
): Promise<IndexReport> {
  const start = performance.now();
  const config = parseConfig(indexSchema, input, "Configuring remora index");
  const named = config.documents === undefined ? [] : [config.documents].flat();
  const paths = named.filter((name) => !isAddress(name));
  const found = findDocuments(paths, [config.index]);
  const web = await readWeb(config, named.filter(isAddress), options.signal);
  const count = found.documents.size + web.ready.length;
  if (count === 0 && isMissing(config.index)) throw nothingFound(named, found.skipped, web.failures);
  const index = await DocumentIndex.open(config.index, "Making an index");
  let embedder: Embedder | undefined;
  try {
    if (count === 0 && (await index.documents()).size + (await index.unread()).length === 0)
      throw nothingFound(named, found.skipped, web.failures);
    const used = embedderConfig(config, config.rebuild ? undefined : index.settings);
    embedder = used && (await openEmbedder(used));
    const counter: TokenCounter = embedder?.countTokens
      ? { name: embedder.name, count: (texts) => embedder!.countTokens!(texts) }
      : ruleOfThumb;
    const settings = settingsOf(config, used, embedder, counter);
    const rebuilt = config.rebuild ? "asked for" : whyAnew(index.settings, settings);
    if (rebuilt !== undefined || index.settings === undefined) await index.begin(settings);
    // What fails again is noted again. By the address that was asked: a page's name may be another, where it led to.
    await index.forgetUnread(web.tried);
    const counts = await fillIndex(index, found, {
      sizes: settings,
      counter,
      embedder,
      encoding: config.encoding,
      textColumns: config.textColumns === undefined ? undefined : [config.textColumns].flat(),
      ready: web.ready,
      failed: web.failures,
      now: () => new Date(),
      ...options,
    });
    return {
      index: config.index,
      chunks: await index.chunkCount(),
      embedder: embedder ? { model: embedder.name, dimensions: embedder.dimensions } : null,
      rebuilt,
      unread: await index.unread(),
      skipped: Object.fromEntries(found.skipped),
      ...counts,
      seconds: (performance.now() - start) / 1000,
    };
  } finally {
    await embedder?.close();
    index.close();
  }
}

const isAddress = (name: string): boolean => /^https?:\/\//i.test(name);

/** @throws ConfigError when nothing is named, or addresses are without the word that allows them */
async function readWeb(
  config: IndexConfig,
  addresses: readonly string[],
  signal: AbortSignal | undefined,
): Promise<{ tried: readonly string[]; ready: ReadyDocument[]; failures: FailedDocument[] }> {
  const doing = "Configuring remora index";
  const queries = config.webQueries === undefined ? [] : [config.webQueries].flat();
  if (!config.web) {
    if (addresses.length > 0)
      throw new ConfigError(doing, [{ path: "documents", problem: `${addresses[0]} is an address, and the web is off` }], "Add --web.");
    if (config.documents === undefined) throw new ConfigError(doing, [{ path: "documents", problem: "required, found nothing" }]);
    return { tried: [], ready: [], failures: [] };
  }
  if (queries.length > 0 && config.webSearch === undefined)
    throw new ConfigError(doing, [{ path: "webSearch", problem: "required for webQueries, found nothing" }]);
  const failures: FailedDocument[] = [];
  const pages = [...addresses, ...(config.webPages === undefined ? [] : [config.webPages].flat())];
  // Found by its queries alone, if there are any: a search engine without a question finds nothing.
  const web = openWeb({ ...config, webPages: pages.length > 0 ? pages : undefined }, (document, reason) =>
    failures.push({ document, reason }),
  );
  const read = await web.pages(queries, signal);
  return { tried: pages, ready: read.map((page) => ({ name: page.url, document: datedDocument(page) })), failures };
}

/** An index opened for asking, with what makes a vector of a question. */
export interface OpenedIndex {
  readonly index: DocumentIndex;
  readonly embedder: Embedder | undefined;
  readonly chunks: number;
  close(): Promise<void>;
}

/** @throws IndexError where there is none, or none with the embedder's vectors */
export async function openIndex(config: EmbeddingConfig & { index: string; search?: AskConfig["search"] }): Promise<OpenedIndex> {
  const index = await DocumentIndex.open(config.index, "Opening an index", { create: false });
  try {
    const { settings } = index;
    const chunks = await index.chunkCount();
    if (!settings || chunks === 0) {
      throw new IndexError(
        "Opening the index",
        config.index,
        settings ? "there are no documents in it" : "there is no index",
        "Make one first: remora index <folder> --index <this path>.",
      );
    }
    const used = config.search === "text" || !settings.embedder ? undefined : embedderConfig(config, settings);
    const embedder = used && (await openEmbedder(used));
    if (embedder && embedder.dimensions !== settings.embedder!.dimensions) {
      await embedder.close();
      throw new IndexError(
        "Opening the index",
        config.index,
        `expected vectors of ${settings.embedder!.dimensions} numbers (${settings.embedder!.model}), found an embedder of ${embedder.dimensions}`,
        "Name the embedder that the index was made with.",
      );
    }
    return {
      index,
      embedder,
      chunks,
      async close() {
        await embedder?.close();
        index.close();
      },
    };
  } catch (error) {
    index.close();
    throw error;
  }
}

/** What questions are answered from: an index, the web, both, or neither. */
export interface OpenedSources {
  readonly index: DocumentIndex | undefined;
  readonly embedder: Embedder | undefined;
  readonly web: WebSource | undefined;
  close(): Promise<void>;
}

/**
 * @param config without an index, or with the web and an index that is not there: none is opened
 * @throws what `openIndex` throws; ConfigError for a search engine that is none
 */
export async function openSources(
  config: EmbeddingConfig & WebConfig & { index?: string; search?: AskConfig["search"] },
  onWebProblem: (url: string, problem: string) => void = () => {},
): Promise<OpenedSources> {
  const web = config.web ? openWeb(config, onWebProblem) : undefined;
  const { index } = config;
  if (index === undefined || (web && isMissing(index))) return { index: undefined, embedder: undefined, web, close: async () => {} };
  return { ...(await openIndex({ ...config, index })), web };
}

/** What stands for the sources in keys of work that is kept, and the largest chunk that they give (0: they give nothing). Opens no encoder. */
export async function sourcesFingerprint(
  config: WebConfig & { index?: string; embedder?: string },
): Promise<{ fingerprint: string; chunkTokens: number }> {
  const { web, webPages, webSearch, webResults, embedder } = config;
  const ofWeb = web ? [webPages, webSearch, webResults] : null;
  const path = config.index;
  if (path === undefined || (web && isMissing(path))) {
    return { fingerprint: JSON.stringify([ofWeb]), chunkTokens: web ? WEB_CHUNK_TOKENS : 0 };
  }
  const index = await DocumentIndex.open(path, "Opening an index", { create: false });
  try {
    const documents = [...(await index.documents()).values()].map(({ document, hash }) => [document, hash]);
    return { fingerprint: JSON.stringify([ofWeb, path, embedder, documents]), chunkTokens: index.settings?.chunkTokens ?? 0 };
  } finally {
    index.close();
  }
}

type RetrievingConfig = Pick<
  AskConfig,
  "search" | "limit" | "candidates" | "rerank" | "mmrBalance" | "viewpoints" | "rerankUrl" | "rerankModel" | "minSimilarity" | "minCoverage"
>;

/** How a config's options search and order. */
export function retrieveOptions(
  config: RetrievingConfig,
  opened: Pick<OpenedSources, "embedder"> & { readonly index: DocumentIndex | undefined; readonly web?: WebSource },
): Omit<RetrieveOptions, "signal"> & { support: { minSimilarity: number; minCoverage: number } } {
  const search: SearchMode | undefined = config.search === "auto" ? undefined : config.search;
  const name = opened.index?.settings?.embedder?.model ?? "";
  const candidates = Math.max(config.limit, config.candidates);
  const { web } = opened;
  return {
    search,
    limit: config.limit,
    candidates,
    also: web && ((text, signal) => web.hits(text, candidates, signal)),
    embedder: opened.embedder,
    reranker: rerankerOf(config),
    support: { minSimilarity: config.minSimilarity ?? (/(^|[^a-z0-9])e5\b/i.test(name) ? 0.8 : 0.35), minCoverage: config.minCoverage },
  };
}

function rerankerOf(config: RetrievingConfig): Reranker | undefined {
  const fail = (path: string, problem: string): never => {
    throw new ConfigError("Configuring remora ask", [{ path, problem }]);
  };
  switch (config.rerank) {
    case "none":
      return undefined;
    case "mmr":
      return maximalMarginalRelevance(config.mmrBalance);
    case "viewpoints": {
      const viewpoints = viewpointsOf(config.viewpoints);
      return pointsOfView(viewpoints.length > 0 ? viewpoints : fail("viewpoints", "required for the reranker viewpoints, found nothing"));
    }
    case "remote":
      return remoteCrossEncoder({
        url: config.rerankUrl ?? fail("rerankUrl", "required for the reranker remote, found nothing"),
        model: config.rerankModel,
        env: process.env,
        fetch,
      });
  }
}

/** Words, or a file with one viewpoint a line. */
function viewpointsOf(given: AskConfig["viewpoints"]): string[] {
  const list = given === undefined ? [] : [given].flat();
  const texts = list.flatMap((entry) =>
    statSync(entry, { throwIfNoEntry: false })?.isFile() ? readFileSync(entry, "utf8").split("\n") : [entry],
  );
  return texts.map((text) => text.trim()).filter((text) => text !== "");
}

/** The embedder that is named, else the one that the index was made with. `none` is none. */
function embedderConfig(config: EmbeddingConfig, settings: IndexSettings | undefined): EmbedderConfigInput | undefined {
  const before = settings?.embedder;
  const model = config.embedder ?? before?.model;
  if (model === undefined || model === "none") return undefined;
  const { device, threads, offline } = config;
  return {
    model,
    url: config.embedderUrl ?? (config.embedder === undefined ? before?.url : undefined),
    pooling: config.embedderPooling === "auto" ? before?.pooling : config.embedderPooling,
    queryPrefix: config.queryPrefix ?? before?.queryPrefix,
    passagePrefix: config.passagePrefix ?? before?.passagePrefix,
    device,
    threads,
    offline,
  };
}

function settingsOf(
  config: { chunkTokens: number; overlapTokens: number },
  used: EmbedderConfigInput | undefined,
  embedder: Embedder | undefined,
  counter: TokenCounter,
): IndexSettings {
  // Prefix and special tokens need room too.
  const limit = embedder?.maxTokens === undefined ? Number.POSITIVE_INFINITY : embedder.maxTokens - ENCODER_RESERVE;
  const chunkTokens = Math.min(config.chunkTokens, limit);
  const { model, url, pooling, queryPrefix, passagePrefix } = used ?? {};
  return {
    chunkTokens,
    overlapTokens: Math.min(config.overlapTokens, Math.floor(chunkTokens / 2)),
    counter: counter.name,
    ...(embedder ? { embedder: { model: model!, url, pooling, dimensions: embedder.dimensions, queryPrefix, passagePrefix } } : {}),
  };
}

/** What differs between the index as it is and as it is asked for; undefined when nothing does. */
function whyAnew(before: IndexSettings | undefined, now: IndexSettings): string | undefined {
  if (!before) return undefined;
  const differ = (Object.keys({ ...before, ...now }) as (keyof IndexSettings)[]).filter(
    (name) => JSON.stringify(sorted(before[name])) !== JSON.stringify(sorted(now[name])),
  );
  return differ.length === 0 ? undefined : `other settings than before: ${differ.join(", ")}`;
}

const sorted = (value: unknown): unknown =>
  typeof value === "object" && value !== null
    ? Object.entries(value)
        .filter(([, each]) => each !== undefined)
        .sort(([a], [b]) => (a < b ? -1 : 1))
    : value;

function nothingFound(paths: readonly string[], skipped: FoundDocuments["skipped"], failures: readonly FailedDocument[]): IndexError {
  const [failed] = failures;
  if (failed) return new IndexError("Reading", failed.document, failed.reason, "Nothing was indexed.");
  const others = [...skipped].map(([ending, count]) => `${count} × ${ending}`).join(", ");
  return new IndexError(
    "Looking for documents in",
    paths.join(", "),
    `expected Markdown, text, HTML, PDF, DOCX or JSONL files, found ${others === "" ? "none" : `only others (${others})`}`,
    "Name the folder that holds the documents.",
  );
}
