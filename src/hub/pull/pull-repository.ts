/**
 * A repository into the standard cache: look up the commit, list its files, fetch what is missing, and only then make the snapshot's links,
 * so that an interrupted pull leaves no folder that looks like a model.
 */
import { mkdir, rm, statfs } from "node:fs/promises";
import { join } from "node:path";
import { FileAccessError } from "../../errors/file-access-error.ts";
import { makeFolder } from "../../formats/make-folder.ts";
import type { HubConnection } from "../client/hub-connection.ts";
import { listTree, type RemoteFile, readRevision } from "../client/list-tree.ts";
import { cacheName, filePart, pagePath, type Repository, repositoryName } from "../client/repository.ts";
import type { PullReport, TransferEvent } from "../events.ts";
import { inParallel } from "../in-parallel.ts";
import type { Choice } from "./choose-files.ts";
import { fetchBlob } from "./fetch-blob.ts";
import { isFileOfSize, type MakeLink, placeFile, writeReference } from "./snapshot.ts";

export interface PullOptions {
  /** `…/hub` */
  readonly cache: string;
  readonly repository: Repository;
  /** @default "main" */
  readonly revision?: string;
  /** @default everything */
  readonly choose?: (files: readonly RemoteFile[]) => Choice;
  readonly onEvent?: (event: TransferEvent) => void;
  /** Files at once. @default 8 */
  readonly parallel?: number;
  /** For tests. */
  readonly makeLink?: MakeLink;
}

/** @throws HubRefusedError · HubUnavailableError · HubIntegrityError · FileAccessError · CancelledError */
export async function pullRepository(hub: HubConnection, options: PullOptions): Promise<PullReport> {
  const startedAt = performance.now();
  const { repository, cache, revision = "main", onEvent, parallel = 8 } = options;
  const { commit } = await readRevision(hub, repository, revision);
  const files = await listTree(hub, repository, commit);
  const { wanted, skipped } = options.choose?.(files) ?? { wanted: files, skipped: [] };

  const root = join(cache, cacheName(repository));
  const folder = join(root, "snapshots", commit);
  const blobOf = ({ hash }: RemoteFile) => join(root, "blobs", hash);
  const missing: RemoteFile[] = [];
  for (const file of wanted) if (!(await isHere(file, blobOf(file), join(folder, file.path)))) missing.push(file);
  const bytes = total(missing);
  onEvent?.({
    event: "transfer-start",
    direction: "pull",
    repository: repositoryName(repository),
    files: missing.length,
    bytes,
    unchanged: wanted.length - missing.length,
    skipped: skipped.length,
  });
  await checkSpace(cache, bytes);

  const doneBytes = new Map<string, number>();
  let receivedBytes = 0;
  // Two paths may hold the same content; it is fetched once. Large files first, so that none is left alone at the end.
  const unique = [...new Map(missing.map((file) => [file.hash, file])).values()].sort((a, b) => b.size - a.size);
  await inParallel(unique, parallel, async (file) => {
    const received = await fetchBlob(hub, {
      file,
      url: `${pagePath(repository)}/resolve/${commit}/${filePart(file.path)}`,
      blobPath: blobOf(file),
      lockPath: join(cache, ".locks", cacheName(repository), `${file.hash}.remora`),
      doing: `Downloading ${file.path} of ${repositoryName(repository)}`,
      onBytes(done) {
        doneBytes.set(file.hash, done);
        const sum = [...doneBytes.values()].reduce((a, b) => a + b, 0);
        onEvent?.({ event: "transfer-progress", file: file.path, doneBytes: sum, totalBytes: total(unique) });
      },
    });
    receivedBytes += received; // not `+= await`: that reads the sum before it waits
  });

  try {
    for (const file of wanted) {
      if (await isFileOfSize(blobOf(file), file.size)) await placeFile(blobOf(file), join(folder, file.path), options.makeLink);
    }
    if (wanted.length === 0) await mkdir(folder, { recursive: true });
    await writeReference(root, revision, commit);
  } catch (cause) {
    throw new FileAccessError("Writing", folder, cause);
  }
  return {
    repository: repositoryName(repository),
    revision,
    commit,
    folder,
    files: wanted.length,
    bytes: total(wanted),
    receivedBytes,
    reused: wanted.length - missing.length,
    skipped: skipped.map(({ path }) => path),
    seconds: (performance.now() - startedAt) / 1000,
  };
}

/** In the blobs, or (where links are not possible) in the snapshot itself. A blob of a wrong size is not one that any tool finished. */
async function isHere(file: RemoteFile, blob: string, path: string): Promise<boolean> {
  if (await isFileOfSize(blob, file.size)) return true;
  await rm(blob, { force: true });
  return isFileOfSize(path, file.size);
}

async function checkSpace(cache: string, bytes: number): Promise<void> {
  makeFolder(cache, "Writing");
  try {
    const { bavail, bsize } = await statfs(cache);
    if (bavail * bsize >= bytes) return;
  } catch (cause) {
    throw new FileAccessError("Writing", cache, cause);
  }
  throw new FileAccessError(
    `Downloading ${(bytes / 1e9).toFixed(2)} GB to`,
    cache,
    Object.assign(new Error("disk full"), { code: "ENOSPC" }),
  );
}

const total = (files: readonly RemoteFile[]): number => files.reduce((sum, { size }) => sum + size, 0);
