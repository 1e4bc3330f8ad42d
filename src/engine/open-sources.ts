/** What questions are answered from, opened as a config says: an index with its encoder, the web, and how they are searched and ordered. */
import { readFileSync, statSync } from "node:fs";
import type { AskConfig } from "../config/schemas/retrieval.ts";
import type { WebConfig } from "../config/schemas/web.ts";
import { ConfigError } from "../errors/config-error.ts";
import { IndexError } from "../errors/index-error.ts";
import type { Embedder } from "../retrieval/embedder.ts";
import { maximalMarginalRelevance } from "../retrieval/rerank/maximal-marginal-relevance.ts";
import { remoteCrossEncoder } from "../retrieval/rerank/remote-cross-encoder.ts";
import type { Reranker } from "../retrieval/rerank/reranker.ts";
import { pointsOfView } from "../retrieval/rerank/viewpoints.ts";
import type { RetrieveOptions, SearchMode } from "../retrieval/retrieve.ts";
import { DocumentIndex, isMissing } from "../retrieval/store/document-index.ts";
import { WEB_CHUNK_TOKENS, type WebSource } from "../retrieval/web/web-source.ts";
import { type EmbeddingConfig, embedderConfig, openEmbedder } from "./open-embedder.ts";
import { openWeb } from "./open-web.ts";

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
