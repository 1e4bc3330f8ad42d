/**
 * A Hub on loopback for tests: it speaks the protocol over HTTP, keeps what it is given in memory, notes every request, and fails on demand.
 */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { cut, type FaultRule, Faults } from "./faults.ts";
import { HttpExchange } from "./http-exchange.ts";
import { type Account, HubRoutes, type HubSettings } from "./hub-routes.ts";
import { RepositoryStore, type StoredFile } from "./repository-store.ts";
import { StorageServer } from "./storage-server.ts";

export interface NotedRequest {
  /** `GET /api/models/o/n/tree/main` */
  readonly line: string;
  readonly server: "hub" | "storage";
  readonly range: string | undefined;
  readonly authorization: string | undefined;
}

export class HubServer implements AsyncDisposable {
  readonly store = new RepositoryStore();
  readonly storage = new StorageServer(this.store);
  readonly routes: HubRoutes;
  readonly requests: NotedRequest[] = [];
  readonly #faults = new Faults();
  readonly #servers: Server[] = [];

  private constructor(settings: HubSettings) {
    this.routes = new HubRoutes(this.store, this.storage, settings);
  }

  static async start(settings: Partial<HubSettings> = {}): Promise<HubServer> {
    const hub = new HubServer({ largeBytes: 100_000, partBytes: 1_000_000, pageSize: 1000, ...settings });
    hub.routes.origin = await hub.#listen("hub", (exchange) => hub.routes.handle(exchange));
    hub.storage.origin = await hub.#listen("storage", (exchange) => hub.storage.handle(exchange));
    return hub;
  }

  get endpoint(): string {
    return this.routes.origin;
  }

  addAccount(token: string, account: Account): void {
    this.routes.accounts.set(token, account);
  }

  /** The token is refused from now on. */
  expire(token: string): void {
    this.routes.expired.add(token);
  }

  inject(rule: FaultRule): void {
    this.#faults.add(rule);
  }

  heal(): void {
    this.#faults.clear();
  }

  /** A repository as if somebody had pushed it. @returns the commit */
  seed(id: string, files: Readonly<Record<string, string | Buffer>>, type: "model" | "dataset" = "model"): string {
    const repository = this.store.find(type, id) ?? this.store.create(type, id, false);
    const all = new Map<string, StoredFile>(this.store.at(repository, "main")!.files);
    for (const [path, content] of Object.entries(files)) {
      all.set(path, typeof content === "string" ? this.store.addSmall(Buffer.from(content)) : this.store.addLarge(content));
    }
    return this.store.commit(repository, "main", "seed", all).id;
  }

  /** The content of a file at a branch. */
  read(id: string, path: string, branch = "main", type: "model" | "dataset" = "model"): Buffer | undefined {
    const repository = this.store.find(type, id);
    const file = repository && this.store.at(repository, branch)?.files.get(path);
    return file && this.store.content(file);
  }

  lines(pattern: RegExp): string[] {
    return this.requests.map(({ line }) => line).filter((line) => pattern.test(line));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const server of this.#servers) {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    }
  }

  async #listen(name: "hub" | "storage", handle: (exchange: HttpExchange) => Promise<void>): Promise<string> {
    const server = createServer((request, response) => void this.#answer(name, request, response, handle));
    this.#servers.push(server);
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  }

  async #answer(
    server: "hub" | "storage",
    request: IncomingMessage,
    response: ServerResponse,
    handle: (exchange: HttpExchange) => Promise<void>,
  ): Promise<void> {
    const line = `${request.method} ${(request.url ?? "").replace(/\?.*$/, "")}`;
    const { range, authorization } = request.headers;
    this.requests.push({ line, server, range, authorization });
    const fault = this.#faults.take(line);
    if (fault?.kind === "drop") return cut(request);
    const exchange = new HttpExchange(request, response, fault);
    if (fault?.kind === "status") {
      await exchange.body();
      return exchange.send(fault.status, fault.headers ?? {}, Buffer.from(fault.body ?? ""));
    }
    try {
      await handle(exchange);
    } catch (error) {
      if (!response.headersSent) exchange.refuse(500, `test server: ${String(error)}`);
    }
  }
}
