/**
 * The Hub's own addresses: who am I, create, preupload, large-file batch and verify, commit, tree, paths-info, revision, resolve.
 * Written from the protocol as huggingface_hub 2.4 and @huggingface/hub 2.17 speak it; both are run against it (docs/parity.md).
 */
import { createHash } from "node:crypto";
import { parse } from "yaml";
import type { HttpExchange } from "./http-exchange.ts";
import type { RepositoryStore, StoredCommit, StoredFile, StoredRepository } from "./repository-store.ts";
import type { StorageServer } from "./storage-server.ts";

export interface Account {
  readonly name: string;
  readonly write: boolean;
  readonly organisations?: readonly string[];
}

export interface HubSettings {
  /** Files of this size and more are large; so are files that look binary and those with the usual endings. */
  largeBytes: number;
  /** Objects of more bytes are uploaded in parts of this size. */
  partBytes: number;
  /** Entries of one page of a tree. */
  pageSize: number;
}

interface Place {
  readonly repository: StoredRepository;
  readonly account: Account | undefined;
}

const LARGE_NAMES = /\.(safetensors|bin|gguf|parquet|pt|onnx|npz|png|jpg)$/;

export class HubRoutes {
  readonly accounts = new Map<string, Account>();
  readonly expired = new Set<string>();
  readonly settings: HubSettings;
  readonly #store: RepositoryStore;
  readonly #storage: StorageServer;
  origin = "";

  constructor(store: RepositoryStore, storage: StorageServer, settings: HubSettings) {
    this.#store = store;
    this.#storage = storage;
    this.settings = settings;
  }

  async handle(exchange: HttpExchange): Promise<void> {
    const path = exchange.url.pathname;
    const account = this.#account(exchange);
    if (account === "refused") return exchange.refuse(401, "Invalid credentials in Authorization header");
    if (path === "/api/whoami-v2") return this.#whoAmI(exchange, account);
    if (path === "/api/repos/create") return this.#create(exchange, account);
    if (path === "/api/validate-yaml") return this.#validateYaml(exchange);
    const api = /^\/api\/(model|dataset)s\/([^/]+\/[^/]+)(?:\/([a-z-]+)(?:\/([^/]+)(?:\/(.*))?)?)?$/.exec(path);
    if (api) return this.#api(exchange, account, api);
    const batch = /^\/(datasets\/)?([^/]+\/[^/]+)\.git\/info\/lfs\/(objects\/batch|verify)$/.exec(path);
    if (batch) return this.#largeFiles(exchange, account, batch);
    const resolve = /^\/(datasets\/)?([^/]+\/[^/]+)\/resolve\/([^/]+)\/(.+)$/.exec(path);
    if (resolve) return this.#resolve(exchange, account, resolve);
    exchange.refuse(404, "Not Found");
  }

  #account(exchange: HttpExchange): Account | undefined | "refused" {
    const token = /^Bearer (.+)$/.exec(exchange.header("authorization") ?? "")?.[1];
    if (token === undefined) return undefined;
    return this.expired.has(token) ? "refused" : (this.accounts.get(token) ?? "refused");
  }

  /** The repository, when this account may know of it; refuses otherwise. */
  #place(exchange: HttpExchange, account: Account | undefined, type: string | undefined, id: string, write = false): Place | undefined {
    const repository = this.#store.find(type?.startsWith("dataset") ? "dataset" : "model", id);
    const owns = account !== undefined && owners(account).includes(id.split("/")[0]!);
    if (!repository || (repository.private && !owns)) {
      if (account) exchange.refuse(404, "Repository not found", "RepoNotFound");
      else exchange.refuse(401, "Repository not found", "RepoNotFound");
      return undefined;
    }
    if (write && !(owns && account.write)) {
      exchange.refuse(account ? 403 : 401, account ? "You don't have the rights to write to this repository" : "Authentication required");
      return undefined;
    }
    return { repository, account };
  }

  #whoAmI(exchange: HttpExchange, account: Account | undefined) {
    if (!account) return exchange.refuse(401, "Invalid username or password.");
    const orgs = (account.organisations ?? []).map((name) => ({ type: "org", name, fullname: name }));
    exchange.sendJson({ type: "user", name: account.name, fullname: account.name, orgs, auth: { type: "access_token" } });
  }

  async #create(exchange: HttpExchange, account: Account | undefined): Promise<void> {
    const asked = await exchange.json<{ name: string; organization?: string; type?: string; private?: boolean; visibility?: string }>();
    if (!asked) return;
    if (!account) return exchange.refuse(401, "Authentication required");
    const owner = asked.organization ?? account.name;
    const id = `${owner}/${asked.name}`;
    if (!account.write || !owners(account).includes(owner)) {
      return exchange.refuse(403, `You don't have the rights to create a model under the namespace "${owner}"`);
    }
    const type = asked.type === "dataset" ? "dataset" : "model";
    const url = `${this.origin}/${type === "dataset" ? "datasets/" : ""}${id}`;
    if (this.#store.find(type, id)) return exchange.sendJson({ error: "You already created this model repo", url, id }, {}, 409);
    this.#store.create(type, id, asked.private === true || asked.visibility === "private");
    exchange.sendJson({ url, id, name: id });
  }

  /** Clients ask before a commit that holds a card. */
  async #validateYaml(exchange: HttpExchange): Promise<void> {
    const asked = await exchange.json<{ content: string }>();
    if (!asked) return;
    try {
      parse(/^---\r?\n(.*?)\r?\n---/s.exec(asked.content)?.[1] ?? "");
      exchange.sendJson({ errors: [], warnings: [] });
    } catch (error) {
      exchange.sendJson({ errors: [{ message: String(error) }], warnings: [] }, {}, 400);
    }
  }

  async #api(exchange: HttpExchange, account: Account | undefined, match: RegExpExecArray): Promise<void> {
    const [, type, id, verb = "revision", encoded = "main", rest] = match;
    const revision = decodeURIComponent(encoded);
    const place = this.#place(exchange, account, type, id!, ["preupload", "commit", "branch"].includes(verb));
    if (!place) return;
    const { repository } = place;
    if (verb === "branch") return this.#branch(exchange, repository, revision);
    const commit = this.#store.at(repository, revision);
    if (!commit) return exchange.refuse(404, `Invalid rev id: ${revision}`, "RevisionNotFound");
    switch (verb) {
      case "revision": {
        const siblings = [...commit.files.keys()].map((rfilename) => ({ rfilename }));
        return exchange.sendJson({
          _id: id,
          id,
          sha: commit.id,
          private: repository.private,
          gated: repository.gated,
          siblings,
          tags: [],
          downloads: 0,
          likes: 0,
        });
      }
      case "tree":
        return this.#tree(exchange, commit, decodeURIComponent(rest ?? ""));
      case "paths-info": {
        const asked = await exchange.json<{ paths: string[] }>();
        const found = (asked?.paths ?? []).flatMap((path) => (commit.files.has(path) ? [entryOf(path, commit.files.get(path)!)] : []));
        return exchange.sendJson(found);
      }
      case "preupload":
        return this.#preupload(exchange, commit);
      case "commit":
        return this.#commit(exchange, repository, revision, commit);
      default:
        return exchange.refuse(404, "Not Found");
    }
  }

  async #branch(exchange: HttpExchange, repository: StoredRepository, name: string): Promise<void> {
    const asked = await exchange.json<{ startingPoint?: string }>();
    if (!asked) return;
    const start = this.#store.at(repository, asked.startingPoint ?? "main");
    if (!start) return exchange.refuse(404, "Invalid rev id", "RevisionNotFound");
    if (repository.refs.has(name)) return exchange.refuse(409, "Reference already exists");
    repository.refs.set(name, start.id);
    exchange.sendJson({}, {}, 201);
  }

  #tree(exchange: HttpExchange, commit: StoredCommit, under: string) {
    const { searchParams, pathname } = exchange.url;
    const prefix = under === "" ? "" : `${under}/`;
    const inside = [...commit.files].filter(([path]) => path.startsWith(prefix)).sort(([a], [b]) => (a < b ? -1 : 1));
    const recursive = searchParams.get("recursive") === "true" || searchParams.get("recursive") === "True";
    const folders = new Set(inside.flatMap(([path]) => foldersOf(path.slice(prefix.length)).map((folder) => prefix + folder)));
    const entries = [
      ...[...folders].map((path) => ({ type: "directory", path, size: 0, oid: createHash("sha1").update(path).digest("hex") })),
      ...inside.map(([path, file]) => entryOf(path, file)),
    ].filter(({ path }) => recursive || !path.slice(prefix.length).includes("/"));
    const start = Number(searchParams.get("cursor") ?? 0);
    const end = start + this.settings.pageSize;
    const next = new URL(`${this.origin}${pathname}?${searchParams}`);
    next.searchParams.set("cursor", String(end));
    exchange.sendJson(entries.slice(start, end), end < entries.length ? { Link: `<${next}>; rel="next"` } : {});
  }

  async #preupload(exchange: HttpExchange, commit: StoredCommit): Promise<void> {
    const asked = await exchange.json<{ files: { path: string; size: number; sample: string }[] }>();
    if (!asked) return;
    const files = asked.files.map(({ path, size, sample }) => {
      const binary = Buffer.from(sample, "base64").includes(0);
      const large = size >= this.settings.largeBytes || binary || LARGE_NAMES.test(path);
      return { path, uploadMode: large ? "lfs" : "regular", shouldIgnore: false, oid: commit.files.get(path)?.oid ?? null };
    });
    exchange.sendJson({ files, commitOid: commit.id });
  }

  async #largeFiles(exchange: HttpExchange, account: Account | undefined, [, type, id, verb]: RegExpExecArray): Promise<void> {
    const place = this.#place(exchange, account, type, id!, true);
    if (!place) return;
    if (verb === "verify") {
      const asked = await exchange.json<{ oid: string; size: number }>();
      if (!asked) return;
      const content = this.#store.objects.get(asked.oid);
      return content?.length === asked.size ? exchange.sendJson({}) : exchange.refuse(404, "Object not found");
    }
    const asked = await exchange.json<{ objects: { oid: string; size: number }[]; transfers?: string[] }>();
    if (!asked) return;
    const inParts = asked.transfers?.includes("multipart") ?? false;
    const objects = asked.objects.map(({ oid, size }) => {
      if (this.#store.objects.has(oid)) return { oid, size };
      const upload = this.#storage.beginUpload(oid, size, inParts && size > this.settings.partBytes ? this.settings.partBytes : undefined);
      const verify = { href: `${this.origin}/${type ?? ""}${id}.git/info/lfs/verify` };
      return { oid, size, authenticated: true, actions: { upload: { ...upload, expires_in: 86_400 }, verify } };
    });
    const transfer = inParts ? "multipart" : "basic";
    exchange.send(200, { "Content-Type": "application/vnd.git-lfs+json" }, Buffer.from(JSON.stringify({ transfer, objects })));
  }

  async #commit(exchange: HttpExchange, repository: StoredRepository, branch: string, head: StoredCommit): Promise<void> {
    const body = await exchange.body();
    if (body === undefined) return;
    const files = new Map<string, StoredFile>(head.files);
    let summary = "";
    for (const line of body.toString("utf8").split("\n")) {
      if (line.trim() === "") continue;
      const { key, value } = JSON.parse(line) as { key: string; value: Record<string, string> };
      if (key === "header") {
        if (!value.summary) return exchange.refuse(400, "A commit needs a summary");
        if (value.parentCommit && value.parentCommit !== head.id) {
          return exchange.refuse(412, "A commit has happened since. Please refresh and try again.");
        }
        summary = value.summary;
      } else if (key === "file") {
        files.set(value.path!, this.#store.addSmall(Buffer.from(value.content!, value.encoding === "base64" ? "base64" : "utf8")));
      } else if (key === "lfsFile") {
        const content = this.#store.objects.get(value.oid!);
        if (!content) return exchange.refuse(400, `The object ${value.oid} was not uploaded`);
        files.set(value.path!, this.#store.pointTo(value.oid!, content.length));
      } else if (key === "deletedFile") {
        files.delete(value.path!);
      }
    }
    const commit = this.#store.commit(repository, branch, summary, files);
    exchange.sendJson({
      success: true,
      commitOid: commit.id,
      commitUrl: `${this.origin}/${repository.id}/commit/${commit.id}`,
      hookOutput: "",
    });
  }

  #resolve(exchange: HttpExchange, account: Account | undefined, [, type, id, encoded, name]: RegExpExecArray) {
    const place = this.#place(exchange, account, type, id!);
    if (!place) return;
    const { repository } = place;
    if (repository.gated && !(account && owners(account).includes(id!.split("/")[0]!))) {
      return exchange.refuse(
        account ? 403 : 401,
        `Access to model ${id} is restricted and you are not in the authorized list.`,
        "GatedRepo",
      );
    }
    const commit = this.#store.at(repository, decodeURIComponent(encoded!));
    if (!commit) return exchange.refuse(404, "Invalid rev id", "RevisionNotFound");
    const file = commit.files.get(decodeURIComponent(name!));
    if (!file) return exchange.refuse(404, "Entry not found", "EntryNotFound");
    const headers = { "X-Repo-Commit": commit.id };
    if (!file.sha256) return exchange.sendFile(this.#store.content(file), `"${file.oid}"`, headers);
    const linked = { "X-Linked-Size": String(file.size), "X-Linked-Etag": `"${file.sha256}"`, ETag: `"${file.sha256}"` };
    exchange.send(302, { ...headers, ...linked, Location: this.#storage.downloadAddress(file.sha256) });
  }
}

const owners = (account: Account): string[] => [account.name, ...(account.organisations ?? [])];

const entryOf = (path: string, { oid, size, sha256 }: StoredFile) => ({
  type: "file",
  path,
  size,
  oid,
  ...(sha256 ? { lfs: { oid: sha256, size, pointerSize: 130 } } : {}),
});

function foldersOf(path: string): string[] {
  const parts = path.split("/").slice(0, -1);
  return parts.map((_, index) => parts.slice(0, index + 1).join("/"));
}
