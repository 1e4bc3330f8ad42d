/** The web opened for reading, as a config allows it. */
import type { WebConfig } from "../config/schemas/web.ts";
import { ConfigError } from "../errors/config-error.ts";
import { PageReader } from "../retrieval/web/read-page.ts";
import { openSearchEngine } from "../retrieval/web/search-engine.ts";
import { defaultWebCache, WebCache } from "../retrieval/web/web-cache.ts";
import { WebSource } from "../retrieval/web/web-source.ts";

/** @throws ConfigError when nothing is named, or a key is missing */
export function openWeb(config: WebConfig, onProblem: (url: string, problem: string) => void): WebSource {
  const pages = config.webPages === undefined ? [] : [config.webPages].flat();
  if (pages.length === 0 && config.webSearch === undefined) {
    throw new ConfigError(
      "Configuring the web",
      [{ path: "web", problem: "expected addresses or a search engine, found neither" }],
      "Give --web-pages, or --web-search.",
    );
  }
  return new WebSource({
    reader: new PageReader({
      allow: config.webAllow === undefined ? [] : [config.webAllow].flat(),
      maxBytes: config.webMaxBytes,
      timeoutMs: config.webTimeoutSeconds * 1000,
      pauseMs: config.webPauseSeconds * 1000,
    }),
    cache: new WebCache(config.webCache ?? defaultWebCache(process.env)),
    maxAgeMs: config.webMaxAgeHours * 3_600_000,
    pages,
    engine: config.webSearch === undefined ? undefined : openSearchEngine(config.webSearch, process.env),
    results: config.webResults,
    offline: config.offline,
    onProblem,
  });
}
