/** The files of a repository at a revision, with their hashes: what a pull fetches and what a push compares with. */

import { HubIntegrityError } from "../../errors/hub-integrity-error.ts";
import type { HubConnection } from "./hub-connection.ts";
import { request, requestJson } from "./hub-request.ts";
import { apiPath, type Repository, repositoryName, revisionPart } from "./repository.ts";

export interface RemoteFile {
  /** With `/` between folders. */
  readonly path: string;
  readonly size: number;
  /** Names the blob in the cache: sha256 of a large file, git's sha1 of a small one. */
  readonly hash: string;
  readonly kind: "sha256" | "git";
}

export interface RevisionInfo {
  readonly commit: string;
  readonly private: boolean;
}

interface TreeEntry {
  type: string;
  path: string;
  size: number;
  oid: string;
  lfs?: { oid: string; size: number };
}

/** A repository of more files is not one that remora can use. */
const MAX_FILES = 200_000;

/** The commit that a branch or tag stands at. @throws HubRefusedError when there is none */
export async function readRevision(hub: HubConnection, repository: Repository, revision: string): Promise<RevisionInfo> {
  const doing = `Looking up ${repositoryName(repository)}${revision === "main" ? "" : `@${revision}`}`;
  const url = `${apiPath(repository)}/revision/${revisionPart(revision)}`;
  const info = await requestJson<{ sha?: unknown; private?: unknown }>(hub, url, { doing });
  if (typeof info.sha !== "string" || !/^[0-9a-f]{40}$/.test(info.sha))
    throw new HubIntegrityError(doing, url, "expected a commit of 40 hexadecimal digits");
  return { commit: info.sha, private: info.private === true };
}

export async function listTree(hub: HubConnection, repository: Repository, revision: string): Promise<RemoteFile[]> {
  const doing = `Listing the files of ${repositoryName(repository)}`;
  const files: RemoteFile[] = [];
  let url: string | undefined = `${apiPath(repository)}/tree/${revisionPart(revision)}?recursive=true`;
  while (url !== undefined) {
    const page: { entries: TreeEntry[]; next: string | undefined } = await request(hub, url, { doing }, async (response) => ({
      entries: (await response.json()) as TreeEntry[],
      next: nextPage(response.headers.get("Link")),
    }));
    for (const entry of page.entries) if (entry.type === "file") files.push(checkEntry(entry, doing));
    if (files.length > MAX_FILES) throw new HubIntegrityError(doing, url, `expected at most ${MAX_FILES} files`);
    url = page.next;
  }
  return files;
}

/** Names from the network become paths on this disk: nothing may leave the folder. */
function checkEntry({ path, size, oid, lfs }: TreeEntry, doing: string): RemoteFile {
  const hash = lfs?.oid ?? oid;
  const parts = path.split("/");
  const safe = !/[\\\0:]/.test(path) && parts.every((part) => part !== "" && part !== "." && part !== "..");
  if (!safe) throw new HubIntegrityError(doing, JSON.stringify(path), "expected a path inside the repository");
  if (!(lfs ? /^[0-9a-f]{64}$/ : /^[0-9a-f]{40}$/).test(hash))
    throw new HubIntegrityError(doing, path, "expected a hash, found something else");
  return { path, size: lfs?.size ?? size, hash, kind: lfs ? "sha256" : "git" };
}

/** `<https://…>; rel="next"` */
function nextPage(link: string | null): string | undefined {
  return /<([^>]+)>\s*;\s*rel="?next"?/.exec(link ?? "")?.[1];
}
