/** One request and its answer on a test server: the body read whole, the answer sent with the fault that was asked for. */
import type { IncomingMessage, ServerResponse } from "node:http";
import { cut, type Fault } from "./faults.ts";

export class HttpExchange {
  readonly method: string;
  readonly url: URL;
  readonly #request: IncomingMessage;
  readonly #response: ServerResponse;
  readonly #fault: Fault | undefined;

  constructor(request: IncomingMessage, response: ServerResponse, fault: Fault | undefined) {
    this.#request = request;
    this.#response = response;
    this.#fault = fault;
    this.method = request.method ?? "GET";
    this.url = new URL(request.url ?? "/", `http://${request.headers.host}`);
  }

  header(name: string): string | undefined {
    const value = this.#request.headers[name.toLowerCase()];
    return Array.isArray(value) ? value[0] : value;
  }

  /** @returns undefined when the connection was cut in the middle */
  async body(): Promise<Buffer | undefined> {
    const limit = this.#fault?.kind === "drop-after" ? this.#fault.bytes : Number.POSITIVE_INFINITY;
    const parts: Buffer[] = [];
    let bytes = 0;
    try {
      for await (const chunk of this.#request as AsyncIterable<Buffer>) {
        parts.push(chunk);
        bytes += chunk.length;
        if (bytes >= limit) {
          cut(this.#request);
          return undefined;
        }
      }
    } catch {
      return undefined; // the client went away
    }
    return Buffer.concat(parts);
  }

  async json<T>(): Promise<T | undefined> {
    const body = await this.body();
    return body === undefined ? undefined : (JSON.parse(body.toString("utf8")) as T);
  }

  sendJson(value: unknown, headers: Record<string, string> = {}, status = 200): void {
    this.send(status, { "Content-Type": "application/json; charset=utf-8", ...headers }, Buffer.from(JSON.stringify(value)));
  }

  refuse(status: number, message: string, code?: string): void {
    const headers: Record<string, string> = { "X-Error-Message": message };
    if (code) headers["X-Error-Code"] = code;
    this.sendJson({ error: message }, headers, status);
  }

  send(status: number, headers: Record<string, string>, body: Buffer = Buffer.alloc(0)) {
    if (this.#fault?.kind === "drop-answer") return cut(this.#response);
    let content = body;
    if (this.#fault?.kind === "damage" && body.length > 0) {
      content = Buffer.from(body);
      content[content.length >> 1]! ^= 1;
    }
    this.#response.writeHead(status, { ...headers, "Content-Length": String(content.length) });
    if (this.method === "HEAD") return void this.#response.end();
    if (this.#fault?.kind === "drop-after" && content.length > this.#fault.bytes) {
      this.#response.write(content.subarray(0, this.#fault.bytes), () => cut(this.#response));
      return;
    }
    this.#response.end(content);
  }

  /** A file, or the range of it that was asked for. */
  sendFile(content: Buffer, etag: string, headers: Record<string, string> = {}) {
    const all = { ...headers, ETag: etag, "Accept-Ranges": "bytes", "Content-Type": "application/octet-stream" };
    const range = /^bytes=(\d+)-(\d*)$/.exec(this.header("range") ?? "");
    const condition = this.header("if-range");
    if (!range || (condition !== undefined && condition !== etag)) return this.send(200, all, content);
    const start = Number(range[1]);
    const end = range[2] ? Math.min(Number(range[2]), content.length - 1) : content.length - 1;
    if (start >= content.length) return this.send(416, { ...all, "Content-Range": `bytes */${content.length}` });
    this.send(206, { ...all, "Content-Range": `bytes ${start}-${end}/${content.length}` }, content.subarray(start, end + 1));
  }
}
