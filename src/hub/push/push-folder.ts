/**
 * A folder to a repository: compare with what is there, send what differs, commit. Large files first, the commit last and at once, so that an
 * interrupted push changes nothing in the repository, and the next one sends only what has not arrived.
 */
import { readFile } from "node:fs/promises";
import { FileAccessError } from "../../errors/file-access-error.ts";
import { HubRefusedError } from "../../errors/hub-refused-error.ts";
import { HubUnavailableError } from "../../errors/hub-unavailable-error.ts";
import type { HubConnection } from "../client/hub-connection.ts";
import { LONGEST_ASKED_PAUSE_MS, throwIfAborted } from "../client/hub-request.ts";
import { listTree, readRevision } from "../client/list-tree.ts";
import { pagePath, type Repository, repositoryName } from "../client/repository.ts";
import type { PushReport, TransferEvent } from "../events.ts";
import { inParallel } from "../in-parallel.ts";
import { askUploadModes, commit, openRepository } from "./commit.ts";
import { askLargeBatch } from "./large-batch.ts";
import { type LocalFile, listLocalFiles } from "./local-files.ts";
import { uploadLarge } from "./upload-large.ts";

export interface PushOptions {
  readonly folder: string;
  readonly repository: Repository;
  /** For a repository that is not there yet. */
  readonly private: boolean;
  /** Branch. @default "main" */
  readonly revision?: string;
  readonly message: string;
  /** Remove what the folder does not have. */
  readonly delete?: boolean;
  /** Where notes of unfinished uploads are kept. */
  readonly notesFolder: string;
  readonly onEvent?: (event: TransferEvent) => void;
}

const FILES_AT_ONCE = 3;

interface Difference {
  readonly changed: LocalFile[];
  readonly unchanged: number;
  readonly deleted: string[];
}

/** @throws PushFolderError · HubRefusedError · HubUnavailableError · HubIntegrityError · CancelledError */
export async function pushFolder(hub: HubConnection, options: PushOptions): Promise<PushReport> {
  const startedAt = performance.now();
  const { repository, revision: branch = "main", onEvent } = options;
  const name = repositoryName(repository);
  const files = listLocalFiles(options.folder);
  const opened = await openRepository(hub, repository, { branch, private: options.private });
  const report: PushReport = {
    repository: name,
    url: `${hub.endpoint}${pagePath(repository)}`,
    revision: branch,
    commit: opened.commit,
    created: opened.created,
    private: opened.private,
    uploaded: [],
    deleted: [],
    unchanged: 0,
    sentBytes: 0,
    warnings: [],
    seconds: 0,
  };
  const ignored = new Set<string>();
  for (let attempt = 1; ; attempt++) {
    const difference = await compare(hub, options, files, report.commit, ignored);
    report.unchanged = difference.unchanged - report.uploaded.length;
    const { changed, deleted } = difference;
    const modes = changed.length > 0 ? await askUploadModes(hub, repository, branch, changed) : new Map();
    for (const { path } of changed) if (modes.get(path) === "ignored") ignored.add(path);
    const sent = changed.filter(({ path }) => !ignored.has(path));
    if (attempt === 1) {
      const bytes = sent.reduce((sum, { size }) => sum + size, 0);
      onEvent?.({
        event: "transfer-start",
        direction: "push",
        repository: name,
        files: sent.length,
        bytes,
        unchanged: report.unchanged,
        skipped: ignored.size,
      });
    }
    if (sent.length === 0 && deleted.length === 0) break; // also when the commit had arrived, and only its answer was lost
    report.uploaded = sent.map(({ path, size }) => ({ path, bytes: size }));
    report.deleted = deleted;
    const large = await sendLarge(
      hub,
      options,
      sent.filter(({ path }) => modes.get(path) === "lfs"),
      report,
    );
    const small = await Promise.all(
      sent
        .filter(({ path }) => modes.get(path) === "regular")
        .map(async ({ path, absolutePath }) => ({ path, content: await readFile(absolutePath) })),
    );
    try {
      report.commit = await commit(hub, repository, branch, { message: options.message, parent: report.commit, small, large, deleted });
      break;
    } catch (error) {
      if (attempt >= hub.attempts || !isWorthComparingAgain(error)) throw error;
      const asked = error instanceof HubUnavailableError ? (error.retryAfterMs ?? 0) : 0;
      if (asked > LONGEST_ASKED_PAUSE_MS) throw error;
      await hub.pause(Math.max(asked, 500 * 2 ** (attempt - 1)), hub.signal).catch(() => throwIfAborted(hub, `Committing to ${name}`));
      report.commit = (await readRevision(hub, repository, branch)).commit;
    }
  }
  report.seconds = (performance.now() - startedAt) / 1000;
  return report;
}

/** The answer was lost, or somebody else committed in the meantime. */
function isWorthComparingAgain(error: unknown): boolean {
  return error instanceof HubUnavailableError || (error instanceof HubRefusedError && (error.status === 409 || error.status === 412));
}

/** By size first, then by the hash that the Hub knows the file by. */
async function compare(
  hub: HubConnection,
  options: PushOptions,
  files: readonly LocalFile[],
  at: string,
  ignored: ReadonlySet<string>,
): Promise<Difference> {
  const there = new Map((await listTree(hub, options.repository, at)).map((file) => [file.path, file]));
  const changed: LocalFile[] = [];
  const candidates = files.filter(({ path, size }) => there.get(path)?.size === size);
  const hashing = progressOf("hash-progress", candidates, options.onEvent);
  for (const file of files) {
    throwIfAborted(hub, `Comparing with ${repositoryName(options.repository)}`);
    const remote = there.get(file.path);
    const same = remote?.size === file.size && (await hashOf(hub, file, remote.kind, hashing)) === remote.hash;
    if (!same && !ignored.has(file.path)) changed.push(file);
  }
  const here = new Set(files.map(({ path }) => path));
  const deleted = options.delete ? [...there.keys()].filter((path) => !here.has(path) && path !== ".gitattributes") : [];
  return { changed, unchanged: files.length - changed.length - ignored.size, deleted };
}

async function sendLarge(hub: HubConnection, options: PushOptions, files: readonly LocalFile[], report: PushReport) {
  const { repository, revision: branch = "main", notesFolder, onEvent } = options;
  if (files.length === 0) return [];
  const hashing = progressOf("hash-progress", files, onEvent);
  const large: { file: LocalFile; path: string; oid: string; size: number }[] = [];
  for (const file of files) large.push({ file, path: file.path, oid: await hashOf(hub, file, "sha256", hashing), size: file.size });
  // Equal content under two names is one object.
  const objects = [...new Map(large.map((each) => [each.oid, each])).values()];
  const needed = await askLargeBatch(
    hub,
    repository,
    branch,
    objects.map(({ oid, size }) => ({ oid, size })),
  );
  const missing = objects.filter(({ oid }) => needed.has(oid));
  const done = new Map<string, number>();
  const totalBytes = missing.reduce((sum, { size }) => sum + size, 0);
  await inParallel(missing, FILES_AT_ONCE, async ({ file, oid }) => {
    await uploadLarge(hub, {
      repository,
      branch,
      file,
      oid,
      actions: needed.get(oid)!,
      notesFolder,
      onSent: (bytes) => {
        report.sentBytes += bytes;
      },
      onBytes(bytes) {
        done.set(oid, bytes);
        onEvent?.({ event: "transfer-progress", file: file.path, doneBytes: [...done.values()].reduce((a, b) => a + b, 0), totalBytes });
      },
    });
  });
  return large.map(({ path, oid, size }) => ({ path, oid, size }));
}

type Progress = (file: LocalFile, bytes: number) => void;

function progressOf(event: "hash-progress", files: readonly LocalFile[], onEvent: PushOptions["onEvent"]): Progress {
  const totalBytes = files.reduce((sum, { size }) => sum + size, 0);
  let doneBytes = 0;
  return (file, bytes) => {
    doneBytes += bytes;
    onEvent?.({ event, file: file.path, doneBytes, totalBytes });
  };
}

async function hashOf(hub: HubConnection, file: LocalFile, kind: "sha256" | "git", progress: Progress): Promise<string> {
  try {
    return await file.hash(kind, (bytes) => progress(file, bytes), hub.signal);
  } catch (cause) {
    throwIfAborted(hub, `Reading ${file.path}`);
    throw new FileAccessError("Reading", file.absolutePath, cause);
  }
}
