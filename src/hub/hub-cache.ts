/**
 * The standard Hugging Face cache, shared with other tools:
 *
 *   models--OWNER--NAME/refs/REVISION      a text file: the commit that a branch or tag stood at
 *   models--OWNER--NAME/snapshots/COMMIT/  the files, as links into blobs/
 *   models--OWNER--NAME/blobs/HASH         what the links point to, named by sha256 or by git's sha1
 *   datasets--OWNER--NAME/                 the same for data sets
 * Source: the cache page of huggingface_hub.
 */
import { existsSync, readdirSync, readFileSync, statSync } from "node:fs";
import { homedir } from "node:os";
import { join } from "node:path";
import { cacheName, type Repository } from "./client/repository.ts";

export type Environment = Readonly<Record<string, string | undefined>>;

/** Where the cache is, by the variables that Python's huggingface_hub honours. */
export function hubCacheFolder(env: Environment): string {
  const direct = env.HF_HUB_CACHE || env.HUGGINGFACE_HUB_CACHE;
  if (direct) return expandHome(direct, env);
  return join(huggingFaceHome(env), "hub");
}

/** HF_HOME: where the cache and the token file are. */
export function huggingFaceHome(env: Environment): string {
  const home = env.HF_HOME || join(env.XDG_CACHE_HOME || join(homeFolder(env), ".cache"), "huggingface");
  return expandHome(home, env);
}

export function expandHome(path: string, env: Environment): string {
  return path === "~" || path.startsWith("~/") ? join(homeFolder(env), path.slice(1)) : path;
}

const homeFolder = (env: Environment): string => env.HOME || env.USERPROFILE || homedir();

export type CacheLookup =
  | { readonly kind: "found"; readonly folder: string; readonly commit: string }
  | { readonly kind: "no-repository"; readonly folder: string }
  | { readonly kind: "no-revision"; readonly folder: string; readonly revision: string; readonly cached: readonly string[] };

/** The snapshot of a repository in the cache. Nothing is fetched. */
export function findInCache(cache: string, wanted: Repository, revision = "main"): CacheLookup {
  const repository = join(cache, cacheName(wanted));
  if (!isFolder(join(repository, "snapshots"))) return { kind: "no-repository", folder: repository };
  const commit = /^[0-9a-f]{40}$/.test(revision) ? revision : readReference(join(repository, "refs", revision));
  const folder = join(repository, "snapshots", commit ?? "");
  if (commit && isFolder(folder)) return { kind: "found", folder, commit };
  return { kind: "no-revision", folder: repository, revision, cached: cachedRevisions(repository) };
}

/** The commit of a reference, or undefined. A reference is 40 hexadecimal digits; anything else in the file must not become part of a path. */
function readReference(path: string): string | undefined {
  if (!existsSync(path) || !statSync(path).isFile()) return undefined;
  const commit = readFileSync(path, "utf8").trim();
  return /^[0-9a-f]{40}$/.test(commit) ? commit : undefined;
}

function cachedRevisions(repository: string): string[] {
  const references = isFolder(join(repository, "refs")) ? readdirSync(join(repository, "refs")) : [];
  return [...references, ...readdirSync(join(repository, "snapshots"))].sort();
}

const isFolder = (path: string): boolean => statSync(path, { throwIfNoEntry: false })?.isDirectory() ?? false;
