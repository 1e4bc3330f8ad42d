/**
 * An address → a document: redirects followed one by one, each checked like the first and allowed by its own host's robots.txt; one request at a
 * time to a host, with a pause in between; then cleaned by the reader that files have. Nothing of a page is executed.
 */
import { setTimeout as sleep } from "node:timers/promises";
import { CancelledError } from "../../errors/cancelled-error.ts";
import { WebError } from "../../errors/web-error.ts";
import { cleanLine, cleanText, type Document } from "../documents/document.ts";
import { readHtml } from "../documents/html.ts";
import { readMarkdown } from "../documents/markdown.ts";
import { readPdf } from "../documents/pdf.ts";
import { cleaned } from "../documents/read-document.ts";
import { decodePage } from "./decode-page.ts";
import { checkedUrl, guardedRequest, type RequestRules, type ResolveAll, type WebAnswer } from "./guarded-request.ts";
import { EVERYTHING, NOTHING, parseRobots, type Robots } from "./robots.ts";

export interface WebRules {
  readonly allow: readonly string[];
  readonly maxBytes: number;
  /** Of one page with its redirects and its host's robots.txt; waiting for the host's turn does not count. */
  readonly timeoutMs: number;
  readonly pauseMs: number;
  /** @default 5 */
  readonly maxRedirects?: number;
  readonly resolve?: ResolveAll;
}

export interface WebPage {
  /** Where it was found in the end, without the part behind #. */
  readonly url: string;
  /** As asked for. */
  readonly asked: string;
  /** ISO 8601. */
  readonly readAt: string;
  readonly document: Document;
}

const AGENT = "remora";
const USER_AGENT = `${AGENT} (reads single pages for its user; follows robots.txt)`;
/** RFC 9309 asks readers to take at least 500 KiB. */
const ROBOTS_BYTES = 512 * 1024;
const MAX_CRAWL_DELAY_MS = 10_000;
const MAX_REDIRECTS = 5;

type PageKind = "html" | "text" | "markdown" | "pdf";
const KINDS: Readonly<Record<string, PageKind>> = {
  "text/html": "html",
  "application/xhtml+xml": "html",
  "text/plain": "text",
  "text/markdown": "markdown",
  "text/x-markdown": "markdown",
  "application/pdf": "pdf",
};

/** Remembers, for one run, what each host allows and when it was last asked. */
export class PageReader {
  readonly #rules: WebRules;
  readonly #robots = new Map<string, Promise<Robots>>();
  /** By host: settles when the last request of the line has ended, with the time (ms) from which on the next may begin. */
  readonly #turns = new Map<string, Promise<number>>();

  constructor(rules: WebRules) {
    this.#rules = rules;
  }

  /** @throws WebError · DocumentError for a page that cannot be understood · CancelledError */
  async read(address: string, signal?: AbortSignal): Promise<WebPage> {
    try {
      const { url, answer } = await this.#follow(address, { leftMs: this.#rules.timeoutMs, signal });
      const document = await toDocument(url.href, answer);
      return { url: url.href, asked: address, readAt: new Date().toISOString(), document };
    } catch (error) {
      if (signal?.aborted) throw new CancelledError(`Reading ${address}`);
      throw error;
    }
  }

  async #follow(address: string, budget: Budget): Promise<{ url: URL; answer: WebAnswer }> {
    let url = checkedUrl(address);
    const seen = new Set<string>();
    for (let hops = 0; hops <= (this.#rules.maxRedirects ?? MAX_REDIRECTS); hops++) {
      url.hash = "";
      if (seen.has(url.href)) throw new WebError(address, `its redirects lead in a circle, back to ${url.href}`);
      seen.add(url.href);
      const robots = await this.#robotsOf(url, budget);
      if (!robots.mayRead(url))
        throw new WebError(url.href, "its robots.txt does not allow reading it", "Ask its owner, or use another page.");
      const here = url;
      const delay = Math.min(robots.crawlDelaySeconds * 1000, MAX_CRAWL_DELAY_MS);
      const answer = await this.#inTurn(here, delay, budget, (signal) =>
        guardedRequest(here.href, { ...this.#requestRules(signal), checkHead: (status, type) => checkHead(here.href, status, type) }),
      );
      if (answer.location === undefined) return { url: here, answer };
      if (!URL.canParse(answer.location, here.href)) throw new WebError(here.href, "it redirects to what is no address");
      url = checkedUrl(new URL(answer.location, here).href);
    }
    throw new WebError(address, `expected at most ${this.#rules.maxRedirects ?? MAX_REDIRECTS} redirects, found more`);
  }

  /** A server error or no answer means: not now. No file means: everything. */
  #robotsOf(url: URL, budget: Budget): Promise<Robots> {
    const known = this.#robots.get(url.origin);
    if (known) return known;
    const asked = this.#askRobots(new URL("/robots.txt", url), budget);
    this.#robots.set(url.origin, asked);
    // What failed is asked again for the next page; an answer is kept.
    asked.catch(() => this.#robots.delete(url.origin));
    return asked;
  }

  async #askRobots(first: URL, budget: Budget): Promise<Robots> {
    let url = first;
    for (let hops = 0; hops <= MAX_REDIRECTS; hops++) {
      const here = url;
      const answer = await this.#inTurn(here, 0, budget, (signal) =>
        guardedRequest(here.href, { ...this.#requestRules(signal), maxBytes: ROBOTS_BYTES, cut: true }),
      );
      if (answer.location !== undefined && URL.canParse(answer.location, here.href)) {
        url = checkedUrl(new URL(answer.location, here).href);
        continue;
      }
      if (answer.status >= 500) return NOTHING;
      return answer.status === 200 ? parseRobots(answer.bytes.toString("utf8"), AGENT) : EVERYTHING;
    }
    return EVERYTHING;
  }

  #requestRules(signal: AbortSignal): RequestRules {
    const { allow, maxBytes, resolve } = this.#rules;
    return { allow, maxBytes, signal, userAgent: USER_AGENT, resolve };
  }

  /** One request at a time to a host. Whoever is next waits for the pause itself, so that no timer runs when nobody is. */
  async #inTurn<T>(url: URL, delayMs: number, budget: Budget, work: (signal: AbortSignal) => Promise<T>): Promise<T> {
    const before = this.#turns.get(url.host) ?? Promise.resolve(0);
    let end: (freeAt: number) => void = () => {};
    this.#turns.set(url.host, new Promise((resolve) => (end = resolve)));
    try {
      await sleep(Math.max(0, (await before) - performance.now()), undefined, { signal: budget.signal });
      const started = performance.now();
      const limit = AbortSignal.timeout(Math.max(1, Math.ceil(budget.leftMs)));
      try {
        return await work(budget.signal ? AbortSignal.any([budget.signal, limit]) : limit);
      } finally {
        budget.leftMs -= performance.now() - started;
      }
    } finally {
      end(performance.now() + Math.max(this.#rules.pauseMs, delayMs));
    }
  }
}

/** Time that a page has left, and the caller's own wish to stop. */
interface Budget {
  leftMs: number;
  readonly signal: AbortSignal | undefined;
}

function checkHead(url: string, status: number, contentType: string): void {
  if (status !== 200) throw new WebError(url, `the server answered ${status}`, status === 404 ? "Check the address." : undefined);
  const type = mediaType(contentType);
  if (type !== "" && !KINDS[type])
    throw new WebError(url, `expected a page, text or PDF, found ${cleanLine(type).slice(0, 60)}`, "Other kinds are not read.");
}

const mediaType = (contentType: string): string => contentType.split(";")[0]!.trim().toLowerCase();

async function toDocument(url: string, { bytes, contentType }: WebAnswer): Promise<Document> {
  // Without a type, what begins like one is one.
  const start = bytes.subarray(0, 256).toString("latin1").trimStart();
  const kind = KINDS[mediaType(contentType)] ?? (start.startsWith("%PDF-") ? "pdf" : start.startsWith("<") ? "html" : "text");
  const document = await parse(url, kind, bytes, contentType);
  if (document.sections.length === 0)
    throw new WebError(url, "expected text, found none", "The page may be drawn by scripts, which are not run.");
  return document;
}

async function parse(url: string, kind: PageKind, bytes: Buffer, contentType: string): Promise<Document> {
  if (kind === "pdf") return cleaned(await readPdf(url, bytes, url));
  const text = cleanText(decodePage(url, bytes, contentType));
  if (kind === "markdown") return readMarkdown(text, url);
  if (kind === "text") return { title: url, sections: text.trim() === "" ? [] : [{ headings: [], place: "", text: text.trim() }] };
  try {
    return cleaned(await readHtml(text, url));
  } catch (cause) {
    // Nested thousands deep, for one.
    throw new WebError(url, `the page cannot be taken apart: ${cleanLine((cause as Error).message).slice(0, 120)}`, undefined, cause);
  }
}
