/**
 * One file of a repository into `blobs/<hash>` of the cache: resumed where an earlier attempt or an earlier process stopped, checked against
 * its hash, then renamed into place. A blob under its final name is whole and right; what is not yet is `<hash>.incomplete`.
 */
import { existsSync } from "node:fs";
import { type FileHandle, mkdir, open, readFile, rename, rm, stat, writeFile } from "node:fs/promises";
import { dirname } from "node:path";
import { FileAccessError } from "../../errors/file-access-error.ts";
import { HubIntegrityError } from "../../errors/hub-integrity-error.ts";
import type { HubConnection } from "../client/hub-connection.ts";
import { request, throwIfAborted } from "../client/hub-request.ts";
import type { RemoteFile } from "../client/list-tree.ts";
import { hashFile, startHash } from "./blob-hash.ts";
import { BlobLock } from "./blob-lock.ts";

export interface BlobJob {
  readonly file: RemoteFile;
  /** Where the Hub serves it. */
  readonly url: string;
  readonly blobPath: string;
  readonly lockPath: string;
  readonly doing: string;
  /** Bytes of this file that are here, now and then; may fall when a damaged part is thrown away. */
  onBytes(bytes: number): void;
}

/** @returns bytes that came over the network. @throws HubIntegrityError · HubRefusedError · HubUnavailableError · FileAccessError */
export async function fetchBlob(hub: HubConnection, job: BlobJob): Promise<number> {
  const isDone = () => existsSync(job.blobPath);
  const pause = async (milliseconds: number) => {
    await hub.pause(milliseconds, hub.signal).catch(() => throwIfAborted(hub, job.doing));
  };
  try {
    await mkdir(dirname(job.blobPath), { recursive: true });
    await using lock = await BlobLock.acquire(job.lockPath, isDone, pause);
    const received = lock === undefined || isDone() ? 0 : await download(hub, job);
    job.onBytes(job.file.size);
    return received;
  } catch (error) {
    throwIfAborted(hub, job.doing);
    throw isSystemError(error) ? new FileAccessError("Writing", job.blobPath, error) : error;
  }
}

async function download(hub: HubConnection, job: BlobJob): Promise<number> {
  const partial = new PartialFile(hub, job);
  for (;;) {
    const { resumed, digest } = await partial.fill();
    if (digest === job.file.hash) break;
    await partial.discard();
    // The part that was here already may be the damaged one: only a whole new download proves the server wrong.
    if (!resumed) throw new HubIntegrityError(job.doing, job.file.path, `expected the hash ${job.file.hash}, found ${digest}`);
  }
  await partial.commit();
  return partial.received;
}

/** `<hash>.incomplete`, and beside it the ETag of the answer that began it. */
class PartialFile {
  readonly #hub: HubConnection;
  readonly #job: BlobJob;
  readonly #path: string;
  readonly #etagPath: string;
  /** Over the network, lost parts included. */
  received = 0;

  constructor(hub: HubConnection, job: BlobJob) {
    this.#hub = hub;
    this.#job = job;
    this.#path = `${job.blobPath}.incomplete`;
    this.#etagPath = `${job.blobPath}.incomplete.etag`;
  }

  /** Fetches what is missing. @returns the hash of the whole file, and whether an earlier part was used */
  async fill(): Promise<{ resumed: boolean; digest: string }> {
    const { file, doing, url, onBytes } = this.#job;
    let have = await sizeOf(this.#path);
    if (have > file.size) {
      await this.discard();
      have = 0;
    }
    let resumed = have > 0;
    let etag = resumed ? await readFile(this.#etagPath, "utf8").catch(() => undefined) : undefined;
    let hash = startHash(file.kind, file.size);
    await hashFile(hash, this.#path, have, this.#hub.signal);
    const handle = await open(this.#path, have > 0 ? "r+" : "w");
    try {
      const restart = async () => {
        await handle.truncate(0);
        hash = startHash(file.kind, file.size);
        have = 0;
        resumed = false;
      };
      const headers = () => ({
        "Accept-Encoding": "identity",
        ...(have > 0 ? { Range: `bytes=${have}-`, ...(etag ? { "If-Range": etag } : {}) } : {}),
      });
      onBytes(have);
      if (have === file.size) return { resumed, digest: hash.digest("hex") };
      await request(this.#hub, url, { doing, headers, accept: [416], progress: () => this.received }, async (response) => {
        if (response.status === 416) {
          await restart();
          throw new Error("the server refused to go on where the file ended");
        }
        // 200 to a request with a range: the file changed there, or ranges are not known. It starts over.
        if (response.status !== 206 && have > 0) await restart();
        if (response.status === 206 && rangeStart(response) !== have) throw new Error("another range came than was asked for");
        etag = response.headers.get("ETag") ?? undefined;
        if (etag && !etag.startsWith("W/")) await writeFile(this.#etagPath, etag);
        for await (const chunk of response.body ?? []) {
          if (have + chunk.length > file.size) {
            await restart();
            throw new HubIntegrityError(doing, file.path, `expected ${file.size} bytes, found more`);
          }
          await writeAll(handle, chunk, have);
          hash.update(chunk);
          have += chunk.length;
          this.received += chunk.length;
          onBytes(have);
        }
        if (have < file.size) throw new Error(`the connection ended after ${have} of ${file.size} bytes`);
      });
      await handle.sync();
      return { resumed, digest: hash.digest("hex") };
    } finally {
      await handle.close();
    }
  }

  async commit(): Promise<void> {
    await rename(this.#path, this.#job.blobPath);
    await rm(this.#etagPath, { force: true });
  }

  async discard(): Promise<void> {
    await rm(this.#path, { force: true });
    await rm(this.#etagPath, { force: true });
  }
}

function rangeStart(response: Response): number {
  return Number(/^bytes (\d+)-/.exec(response.headers.get("Content-Range") ?? "")?.[1] ?? Number.NaN);
}

async function writeAll(handle: FileHandle, bytes: Uint8Array, position: number): Promise<void> {
  for (let done = 0; done < bytes.length; ) done += (await handle.write(bytes, done, bytes.length - done, position + done)).bytesWritten;
}

const sizeOf = async (path: string): Promise<number> => (await stat(path).catch(() => undefined))?.size ?? 0;

function isSystemError(error: unknown): boolean {
  return error instanceof Error && typeof (error as NodeJS.ErrnoException).syscall === "string";
}
