/**
 * Filling an index, as a function of the front door: files and web pages in, only what changed made again. What makes vectors runs in the
 * engine's worker, or behind an address; everything else runs here.
 */
import { parseConfig } from "../config/parse.ts";
import { type EmbedderConfigInput, type IndexConfig, type IndexConfigInput, indexSchema } from "../config/schemas/retrieval.ts";
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
import { DocumentIndex, type IndexSettings, isMissing, type UnreadDocument } from "../retrieval/store/document-index.ts";
import { datedDocument } from "../retrieval/web/web-source.ts";
import { embedderConfig, openEmbedder } from "./open-embedder.ts";
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
