/** The app on a port: time limits against slow senders, and a stop that lets running answers finish. */
import type { Server } from "node:http";
import type { AddressInfo } from "node:net";
import { serve } from "@hono/node-server";
import { ServerStartError } from "../errors/server-start-error.ts";
import { type AppOptions, createApp } from "./app.ts";

/** A client that needs longer to send its headers, or its whole request, holds a connection for nothing. */
const HEADERS_TIMEOUT_MS = 10_000;
const REQUEST_TIMEOUT_MS = 60_000;
/** Longer than clients keep a connection for the next request: whoever closes last meets no reset. */
const KEEP_ALIVE_MS = 75_000;
const MAX_CONNECTIONS = 1024;

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
