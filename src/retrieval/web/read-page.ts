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
  /** Of one page, redirects and pauses for its own robots.txt included. */
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

export const AGENT = "remora";
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
  /** By host: the end of the request under way, pause included. */
  readonly #turns = new Map<string, Promise<void>>();

  constructor(rules: WebRules) {
    this.#rules = rules;
  }

  /** @throws WebError · DocumentError for a page that cannot be understood · CancelledError */
  async read(address: string, signal?: AbortSignal): Promise<WebPage> {
    const limit = AbortSignal.timeout(this.#rules.timeoutMs);
    const within = signal ? AbortSignal.any([signal, limit]) : limit;
    try {
      const { url, answer } = await this.#follow(address, within);
      const document = await toDocument(url.href, answer);
      return { url: url.href, asked: address, readAt: new Date().toISOString(), document };
    } catch (error) {
      if (signal?.aborted) throw new CancelledError(`Reading ${address}`);
      throw error;
    }
  }

  async #follow(address: string, signal: AbortSignal): Promise<{ url: URL; answer: WebAnswer }> {
    let url = checkedUrl(address);
    const seen = new Set<string>();
    for (let hops = 0; hops <= (this.#rules.maxRedirects ?? MAX_REDIRECTS); hops++) {
      url.hash = "";
      if (seen.has(url.href)) throw new WebError(address, `its redirects lead in a circle, back to ${url.href}`);
      seen.add(url.href);
      const robots = await this.#robotsOf(url, signal);
      if (!robots.mayRead(url))
        throw new WebError(url.href, "its robots.txt does not allow reading it", "Ask its owner, or use another page.");
      const here = url;
      const delay = Math.min(robots.crawlDelaySeconds * 1000, MAX_CRAWL_DELAY_MS);
      const answer = await this.#inTurn(here, delay, signal, () =>
        guardedRequest(here.href, { ...this.#requestRules(signal), checkHead: (status, type) => checkHead(here.href, status, type) }),
      );
      if (answer.location === undefined) return { url: here, answer };
      if (!URL.canParse(answer.location, here.href)) throw new WebError(here.href, "it redirects to what is no address");
      url = checkedUrl(new URL(answer.location, here).href);
    }
    throw new WebError(address, `expected at most ${this.#rules.maxRedirects ?? MAX_REDIRECTS} redirects, found more`);
  }

  /** A server error or no answer means: not now. No file means: everything. */
  #robotsOf(url: URL, signal: AbortSignal): Promise<Robots> {
    const known = this.#robots.get(url.origin);
    if (known) return known;
    const asked = this.#askRobots(new URL("/robots.txt", url), signal);
    this.#robots.set(url.origin, asked);
    // What failed is asked again for the next page; an answer is kept.
    asked.catch(() => this.#robots.delete(url.origin));
    return asked;
  }

  async #askRobots(first: URL, signal: AbortSignal): Promise<Robots> {
    let url = first;
    for (let hops = 0; hops <= MAX_REDIRECTS; hops++) {
      const here = url;
      const answer = await this.#inTurn(here, 0, signal, () =>
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

  async #inTurn<T>(url: URL, delayMs: number, signal: AbortSignal, work: () => Promise<T>): Promise<T> {
    const before = this.#turns.get(url.host) ?? Promise.resolve();
    let end = () => {};
    this.#turns.set(url.host, new Promise<void>((resolve) => (end = resolve)));
    try {
      await Promise.race([before, aborted(signal)]);
      if (signal.aborted) throw new WebError(url.href, "no whole answer within the time limit", "Raise --web-timeout-seconds.");
      return await work();
    } finally {
      const pause = Math.max(this.#rules.pauseMs, delayMs);
      // Nobody waits for the pause but the next request to this host; it does not keep the process alive.
      if (pause > 0) sleep(pause, undefined, { ref: false }).then(() => before.then(end));
      else before.then(end);
    }
  }
}

const aborted = (signal: AbortSignal) =>
  new Promise<void>((resolve) => {
    if (signal.aborted) resolve();
    signal.addEventListener("abort", () => resolve(), { once: true });
  });

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
