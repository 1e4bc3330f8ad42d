/** The app on a port: time limits against slow senders, and a stop that lets running answers finish. */
import { type Server, STATUS_CODES } from "node:http";
import type { AddressInfo } from "node:net";
import type { Duplex } from "node:stream";
import { serve } from "@hono/node-server";
import { ServerStartError } from "../errors/server-start-error.ts";
import { type AppOptions, createApp } from "./app.ts";
import { unreadableRequest } from "./openai-error.ts";

/** A client that needs longer to send its headers, or its whole request, holds a connection for nothing. */
const HEADERS_TIMEOUT_MS = 10_000;
const REQUEST_TIMEOUT_MS = 60_000;
/** Longer than clients keep a connection for the next request: whoever closes last meets no reset. */
const KEEP_ALIVE_MS = 75_000;
const MAX_CONNECTIONS = 1024;

/** What Node would answer without a body, in OpenAI's words. A socket on which an answer has begun takes no second one. */
function refuseUnreadable(error: NodeJS.ErrnoException, socket: Duplex & { _httpMessage?: { headersSent: boolean } | null }): void {
  if (error.code === "ECONNRESET" || !socket.writable || socket._httpMessage?.headersSent) return void socket.destroy();
  const { status, body } = unreadableRequest(error.code);
  const text = JSON.stringify(body);
  const head = `HTTP/1.1 ${status} ${STATUS_CODES[status]}\r\ncontent-type: application/json\r\ncontent-length: ${Buffer.byteLength(text)}\r\nconnection: close`;
  socket.end(`${head}\r\n\r\n${text}`, () => socket.destroy());
}

export interface ServerOptions extends AppOptions {
  readonly host: string;
  /** 0 takes a free one. */
  readonly port: number;
  readonly drainMs: number;
}

export interface RunningServer {
  readonly url: string;
  readonly name: string;
  /** Takes no more connections, lets running answers finish for `drainMs`, then ends them. The session stays open. */
  stop(): Promise<void>;
}

/** @throws ServerStartError when the address cannot be used */
export async function startServer(options: ServerOptions): Promise<RunningServer> {
  const app = createApp(options);
  const { host, port } = options;
  const server = await new Promise<Server>((resolve, reject) => {
    const made = serve({ fetch: app.fetch, hostname: host, port }, () => resolve(made)) as Server;
    made.once("error", (cause) => reject(new ServerStartError(host, port, cause)));
    made.headersTimeout = HEADERS_TIMEOUT_MS;
    made.requestTimeout = REQUEST_TIMEOUT_MS;
    made.keepAliveTimeout = KEEP_ALIVE_MS;
    made.maxConnections = MAX_CONNECTIONS;
    made.on("clientError", refuseUnreadable);
  });
  const address = server.address() as AddressInfo;
  return {
    url: `http://${host.includes(":") ? `[${host}]` : host}:${address.port}`,
    name: app.name,
    async stop() {
      const closed = new Promise<void>((resolve) => void server.close(() => resolve()));
      await app.answering.drain(options.drainMs);
      server.closeIdleConnections();
      // The last bytes of an answer are on their way when its request has ended; whoever does not read them is not waited for.
      const timer = setTimeout(() => server.closeAllConnections(), 1000);
      await closed;
      clearTimeout(timer);
    },
  };
}
