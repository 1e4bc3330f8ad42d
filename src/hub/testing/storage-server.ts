/**
 * The storage behind a Hub: signed addresses for uploads (whole or in parts) and downloads, on a port of its own, so on another origin.
 * Like the real one it refuses a request that carries a second way of proving who asks.
 */
import { createHash, randomUUID } from "node:crypto";
import type { HttpExchange } from "./http-exchange.ts";
import type { RepositoryStore } from "./repository-store.ts";

interface Upload {
  readonly oid: string;
  readonly size: number;
  readonly partBytes: number | undefined;
  readonly parts: Map<number, Buffer>;
}

export class StorageServer {
  readonly #store: RepositoryStore;
  /** Where it listens; set when it does. */
  origin = "";
  /** Signed addresses made before this are no longer taken. */
  #generation = 0;
  readonly #uploads = new Map<string, Upload>();

  constructor(store: RepositoryStore) {
    this.#store = store;
  }

  /** All signed addresses given out so far stop working. */
  expireAddresses(): void {
    this.#generation++;
  }

  downloadAddress(oid: string): string {
    return `${this.origin}/objects/${oid}?signature=${this.#signature()}`;
  }

  /** What the batch answer's `upload` action says. */
  beginUpload(oid: string, size: number, partBytes: number | undefined): { href: string; header?: Record<string, string> } {
    const id = randomUUID();
    this.#uploads.set(id, { oid, size, partBytes, parts: new Map() });
    const address = (rest: string) => `${this.origin}/uploads/${id}${rest}?signature=${this.#signature()}`;
    if (partBytes === undefined) return { href: address("") };
    const header: Record<string, string> = { chunk_size: String(partBytes) };
    for (let part = 1; part <= Math.ceil(size / partBytes); part++) header[String(part).padStart(5, "0")] = address(`/${part}`);
    return { href: address("/complete"), header };
  }

  async handle(exchange: HttpExchange): Promise<void> {
    const { method, url } = exchange;
    if (exchange.header("authorization") !== undefined) return exchange.refuse(400, "only one auth mechanism allowed");
    if (url.searchParams.get("signature") !== this.#signature()) return exchange.refuse(403, "Request has expired");
    const [, kind, id, part] = url.pathname.split("/");
    if (kind === "objects") {
      const content = this.#store.objects.get(id!);
      return content
        ? exchange.sendFile(content, `"${createHash("md5").update(content).digest("hex")}"`)
        : exchange.refuse(404, "NoSuchKey");
    }
    const upload = this.#uploads.get(id ?? "");
    if (!upload) return exchange.refuse(404, "NoSuchUpload");
    const body = await exchange.body();
    if (body === undefined) return;
    if (method === "PUT" && exchange.header("content-length") === undefined) return exchange.refuse(411, "MissingContentLength");
    if (method === "PUT" && part === undefined) return this.#finish(exchange, id!, upload, body);
    if (method === "PUT") {
      const number = Number(part);
      const expected = Math.min(upload.partBytes!, upload.size - (number - 1) * upload.partBytes!);
      if (body.length !== expected) return exchange.refuse(400, "EntityTooSmall");
      upload.parts.set(number, body);
      return exchange.send(200, { ETag: etagOf(body) });
    }
    return this.#complete(exchange, id!, upload, JSON.parse(body.toString("utf8")));
  }

  #complete(exchange: HttpExchange, id: string, upload: Upload, asked: { oid?: string; parts?: { partNumber: number; etag: string }[] }) {
    const parts = (asked.parts ?? []).map(({ partNumber, etag }) => ({ content: upload.parts.get(partNumber), etag }));
    const right = asked.oid === upload.oid && parts.every(({ content, etag }) => content !== undefined && etagOf(content) === etag);
    if (!right) return exchange.refuse(400, "InvalidPart");
    this.#finish(exchange, id, upload, Buffer.concat(parts.map(({ content }) => content!)));
  }

  #finish(exchange: HttpExchange, id: string, upload: Upload, content: Buffer) {
    const hash = createHash("sha256").update(content).digest("hex");
    if (hash !== upload.oid || content.length !== upload.size) return exchange.refuse(400, "BadDigest");
    this.#store.objects.set(hash, content);
    this.#uploads.delete(id);
    exchange.send(200, { ETag: etagOf(content) });
  }

  #signature(): string {
    return `signed-${this.#generation}`;
  }
}

const etagOf = (content: Buffer): string => `"${createHash("md5").update(content).digest("hex")}"`;
