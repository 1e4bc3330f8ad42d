/**
 * Who finds pages for a question: a SearXNG server (JSON format switched on), Brave, or Tavily. The user names the endpoint, so it may lie anywhere;
 * what it finds is checked like any address. Keys come from the environment and go into a header.
 */
import { ConfigError } from "../../errors/config-error.ts";
import { EndpointError } from "../../errors/endpoint-error.ts";
import { callEndpoint, type Endpoint } from "../call-endpoint.ts";

export interface SearchEngine {
  /** Without keys; part of the cache's key. */
  readonly name: string;
  /** Addresses, best first. @throws EndpointError, CancelledError */
  find(question: string, limit: number, signal?: AbortSignal): Promise<string[]>;
}

interface EngineKind {
  readonly url?: string;
  readonly keyName: string;
  readonly needsKey: boolean;
  call(base: string, question: string, limit: number): { url: string; body?: unknown };
  headers?(key: string): Record<string, string>;
  results(answer: unknown): unknown;
}

const DOING = "Searching the web";

const KINDS: Readonly<Record<string, EngineKind>> = {
  searxng: {
    keyName: "SEARXNG_API_KEY",
    needsKey: false,
    call: (base, question) => ({
      url: `${base.replace(/\/(search)?\/?$/, "")}/search?${new URLSearchParams({ q: question, format: "json" })}`,
    }),
    results: (answer) => at(answer, "results"),
  },
  brave: {
    url: "https://api.search.brave.com/res/v1/web/search",
    keyName: "BRAVE_API_KEY",
    needsKey: true,
    // 400 characters and 50 words are the longest query that it takes.
    call: (base, question, limit) => ({
      url: `${base}?${new URLSearchParams({ q: question.split(/\s+/).slice(0, 50).join(" ").slice(0, 400), count: String(limit) })}`,
    }),
    headers: (key) => ({ "x-subscription-token": key }),
    results: (answer) => at(at(answer, "web"), "results"),
  },
  tavily: {
    url: "https://api.tavily.com/search",
    keyName: "TAVILY_API_KEY",
    needsKey: true,
    call: (base, question, limit) => ({ url: base, body: { query: question.slice(0, 400), max_results: limit } }),
    results: (answer) => at(answer, "results"),
  },
};

/** @param named `searxng:https://host`, `brave`, `tavily`, `brave:https://proxy`  @throws ConfigError */
export function openSearchEngine(
  named: string,
  env: Readonly<Record<string, string | undefined>>,
  fetchFrom: typeof fetch = fetch,
): SearchEngine {
  const [, kindName = "", address] = /^([a-z]+)(?::(.+))?$/s.exec(named) ?? [];
  const kind = KINDS[kindName];
  const base = address ?? kind?.url;
  const isAddress = base !== undefined && URL.canParse(base) && /^https?:/.test(base) && new URL(base).username === "";
  if (!kind || !isAddress) {
    throw new ConfigError("Configuring the web", [
      { path: "webSearch", problem: `expected searxng:https://host, brave or tavily, found ${JSON.stringify(named)}` },
    ]);
  }
  const key = env[kind.keyName] || undefined;
  if (kind.needsKey && key === undefined) {
    throw new ConfigError("Configuring the web", [{ path: kind.keyName, problem: "expected the key in the environment, found nothing" }]);
  }
  return {
    name: `${kindName}:${base}`,
    async find(question, limit, signal) {
      const { url, body } = kind.call(base, question, limit);
      const endpoint: Endpoint = {
        url,
        doing: DOING,
        key: kind.headers ? undefined : key,
        headers: key !== undefined ? kind.headers?.(key) : undefined,
        keyName: kind.keyName,
        fetch: fetchFrom,
        timeoutMs: 20_000,
      };
      return addressesOf(kind.results(await callEndpoint(endpoint, body, signal)), url).slice(0, limit);
    },
  };
}

function addressesOf(results: unknown, url: string): string[] {
  if (!Array.isArray(results))
    throw new EndpointError(
      DOING,
      new URL(url).origin,
      "expected a list of results, found none",
      "Check the address, and that JSON is allowed there.",
    );
  const addresses = results.map((result) => at(result, "url")).filter((each): each is string => typeof each === "string");
  return [...new Set(addresses.filter((address) => URL.canParse(address) && /^https?:$/.test(new URL(address).protocol)))];
}

const at = (value: unknown, name: string): unknown =>
  typeof value === "object" && value !== null ? (value as Record<string, unknown>)[name] : undefined;
