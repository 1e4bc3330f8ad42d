/**
 * One GET to an address that was checked: the name is resolved here, every resolved address must be public, and the connection goes to exactly
 * these, so that a name that resolves differently a moment later (DNS rebinding) gains nothing. Sizes are counted while bytes arrive, packed and
 * unpacked. Redirects are answers here, not followed: whoever follows one comes through this door again.
 */
import { type LookupAddress, lookup as systemLookup } from "node:dns";
import { type ClientRequest, type IncomingMessage, request as requestHttp } from "node:http";
import { request as requestHttps } from "node:https";
import { isIP, type LookupFunction } from "node:net";
import type { Transform } from "node:stream";
import { createBrotliDecompress, createGunzip, createInflate } from "node:zlib";
import { WebError } from "../../errors/web-error.ts";
import { isPublicAddress } from "./public-address.ts";

export type ResolveAll = (host: string, callback: (error: Error | null, addresses: LookupAddress[]) => void) => void;

export interface RequestRules {
  /** `host` or `host:port` that may be private. */
  readonly allow: readonly string[];
  readonly maxBytes: number;
  readonly signal: AbortSignal;
  readonly userAgent: string;
  /** Answers that are longer are cut (robots.txt) instead of refused. @default false */
  readonly cut?: boolean;
  /** Looked at before the body is read; throws to refuse it. */
  readonly checkHead?: (status: number, contentType: string) => void;
  /** @default the system's */
  readonly resolve?: ResolveAll;
}

export interface WebAnswer {
  readonly status: number;
  /** As sent, empty where nothing was. */
  readonly contentType: string;
  /** Of a redirect. */
  readonly location?: string;
  /** Unpacked; empty for redirects. */
  readonly bytes: Buffer;
}

const UNPACKERS: Readonly<Record<string, () => Transform>> = {
  gzip: createGunzip,
  "x-gzip": createGunzip,
  deflate: createInflate,
  br: createBrotliDecompress,
};

const resolveAll: ResolveAll = (host, callback) => systemLookup(host, { all: true, verbatim: true }, callback);

/** @throws WebError: refused address, no answer, too long, packed oddly */
export async function guardedRequest(address: string, rules: RequestRules): Promise<WebAnswer> {
  const url = checkedUrl(address);
  const isAllowed = allows(rules.allow, url);
  const host = bareHost(url);
  if (isIP(host) !== 0 && !isAllowed && !isPublicAddress(host)) throw inward(address, host);
  const response = await open(url, address, isAllowed, rules);
  try {
    const status = response.statusCode ?? 0;
    const contentType = response.headers["content-type"] ?? "";
    const { location } = response.headers;
    if (status >= 300 && status < 400 && location !== undefined) return { status, contentType, location, bytes: Buffer.alloc(0) };
    rules.checkHead?.(status, contentType);
    return { status, contentType, bytes: await readBody(response, address, rules) };
  } finally {
    response.destroy();
  }
}

/** @throws WebError for what is no address of a page */
export function checkedUrl(address: string): URL {
  const url = URL.canParse(address) ? new URL(address) : undefined;
  if (!url || (url.protocol !== "http:" && url.protocol !== "https:")) {
    throw new WebError(address, "expected an address that begins with http:// or https://", "Check the address.");
  }
  if (url.username !== "" || url.password !== "") {
    throw new WebError(
      url.origin,
      "expected an address without a name and password in it",
      "Leave them out: they would be kept and cited.",
    );
  }
  return url;
}

const bareHost = (url: URL): string => url.hostname.replace(/^\[|\]$/g, "");

function allows(allow: readonly string[], url: URL): boolean {
  const port = url.port || (url.protocol === "https:" ? "443" : "80");
  const names = [url.hostname, bareHost(url), `${url.hostname}:${port}`];
  return allow.some((name) => names.includes(name.toLowerCase()));
}

function open(url: URL, address: string, isAllowed: boolean, rules: RequestRules): Promise<IncomingMessage> {
  return new Promise((resolve, reject) => {
    const send = url.protocol === "https:" ? requestHttps : requestHttp;
    const request: ClientRequest = send(url, {
      // A connection of its own: a pooled one might have been opened for another name.
      agent: false,
      lookup: guardedLookup(address, isAllowed, rules.resolve ?? resolveAll),
      signal: rules.signal,
      headers: {
        "user-agent": rules.userAgent,
        accept: "text/html, application/xhtml+xml, text/plain;q=0.9, text/markdown;q=0.9, application/pdf;q=0.8",
        "accept-encoding": "gzip, deflate, br",
      },
    });
    request.on("response", resolve);
    request.on("error", (cause) => reject(failure(address, cause, rules.signal)));
    request.end();
  });
}

/** Called for names only; Node connects to what it answers and nothing else. */
function guardedLookup(address: string, isAllowed: boolean, resolve: ResolveAll): LookupFunction {
  return (host, options, callback) => {
    resolve(host, (error, addresses) => {
      if (error) return callback(error, "", 0);
      const wrong = isAllowed ? undefined : addresses.find((each) => !isPublicAddress(each.address));
      if (wrong) return callback(inward(address, wrong.address), "", 0);
      const fitting = addresses.filter(({ family }) => !options.family || family === options.family);
      const [first] = fitting;
      if (!first) return callback(new Error(`${host} has no address`), "", 0);
      if (options.all) return (callback as unknown as (error: null, all: LookupAddress[]) => void)(null, fitting);
      callback(null, first.address, first.family);
    });
  };
}

async function readBody(response: IncomingMessage, address: string, rules: RequestRules): Promise<Buffer> {
  const encoding = (response.headers["content-encoding"] ?? "identity").trim().toLowerCase();
  const unpacker = encoding === "identity" || encoding === "" ? undefined : UNPACKERS[encoding]?.();
  if (encoding !== "identity" && encoding !== "" && !unpacker)
    throw new WebError(address, `expected gzip, deflate or br, found the packing ${JSON.stringify(encoding.slice(0, 40))}`);
  const tooLong = new WebError(
    address,
    `expected at most ${rules.maxBytes} bytes, found more`,
    "Raise --web-max-bytes if the page is wanted.",
  );
  const stream = unpacker ? response.pipe(unpacker) : response;
  if (unpacker) {
    let packed = 0;
    response.on("data", (piece: Buffer) => {
      packed += piece.length;
      if (packed > rules.maxBytes) response.destroy(tooLong);
    });
    response.on("error", (error) => unpacker.destroy(error));
  }
  const pieces: Buffer[] = [];
  let size = 0;
  try {
    for await (const piece of stream as AsyncIterable<Buffer>) {
      size += piece.length;
      if (size > rules.maxBytes) {
        if (!rules.cut) throw tooLong;
        pieces.push(piece.subarray(0, piece.length - (size - rules.maxBytes)));
        break;
      }
      pieces.push(piece);
    }
  } catch (cause) {
    throw failure(address, cause, rules.signal);
  } finally {
    unpacker?.destroy();
  }
  return Buffer.concat(pieces);
}

const inward = (address: string, found: string) =>
  new WebError(
    address,
    `it leads to ${found}, which is no public address`,
    "Name its host with --web-allow if it is yours and you mean it.",
  );

function failure(address: string, cause: unknown, signal: AbortSignal): WebError {
  if (cause instanceof WebError) return cause;
  if (signal.aborted) return new WebError(address, "no whole answer within the time limit", "Raise --web-timeout-seconds.", cause);
  return new WebError(address, `no whole answer: ${(cause as Error).message}`, "Check the address.", cause);
}
