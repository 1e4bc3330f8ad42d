/**
 * A repository's snapshot on this machine: the cached one when it is whole, else a pulled one. What "whole" means is the caller's to say,
 * because a model, an adapter and a data set need different files.
 */
import type { RemoraError } from "../errors/remora-error.ts";
import { connectHub, isOffline } from "./client/hub-connection.ts";
import type { RemoteFile } from "./client/list-tree.ts";
import { type Repository, repositoryName } from "./client/repository.ts";
import type { TransferEvent } from "./events.ts";
import { type Environment, findInCache, hubCacheFolder } from "./hub-cache.ts";
import type { Choice } from "./pull/choose-files.ts";
import { pullRepository } from "./pull/pull-repository.ts";

export interface FetchOptions {
  /** Nothing may be fetched. */
  readonly offline: boolean;
  /** HF_HOME, HF_HUB_CACHE, HF_TOKEN, HF_ENDPOINT, HOME … */
  readonly env: Environment;
  readonly signal?: AbortSignal;
  readonly onEvent?: (event: TransferEvent) => void;
}

export interface SnapshotRequest {
  readonly repository: Repository;
  readonly revision: string | undefined;
  readonly choose: (files: readonly RemoteFile[]) => Choice;
  /** Why this cached snapshot will not do, or nothing. */
  readonly problemOf: (folder: string) => string | undefined;
  /** Makes the error for what is not here and may not be fetched. */
  readonly refuse: (problem: string, next: string) => RemoraError;
  readonly options: FetchOptions;
}

export interface Snapshot {
  readonly folder: string;
  readonly commit: string;
}

export async function ensureSnapshot(request: SnapshotRequest): Promise<Snapshot> {
  const { repository, revision, options, refuse } = request;
  const cache = hubCacheFolder(options.env);
  const found = findInCache(cache, repository, revision);
  const problem = found.kind === "found" ? request.problemOf(found.folder) : undefined;
  if (found.kind === "found" && problem === undefined) return { folder: found.folder, commit: found.commit };
  if (options.offline || isOffline(options.env)) {
    const name = `${repository.type === "dataset" ? "hf://datasets/" : ""}${repositoryName(repository)}${revision ? `@${revision}` : ""}`;
    const next = `The network may not be used now: run \`remora pull ${name}\` where it may, or name something local.`;
    if (found.kind === "no-repository") throw refuse(`it is not in the Hugging Face cache (${cache})`, next);
    if (found.kind === "no-revision") {
      throw refuse(
        `revision ${found.revision} is not in the Hugging Face cache (${found.folder}); cached: ${found.cached.join(", ")}`,
        next,
      );
    }
    throw refuse(`the cached snapshot is incomplete: ${problem}`, next);
  }
  const hub = connectHub(`Downloading ${repositoryName(repository)}`, options.env, { signal: options.signal });
  const { choose } = request;
  return pullRepository(hub, { cache, repository, revision, choose, onEvent: options.onEvent });
}
