/**
 * One process at a time downloads a blob; the others wait for it and then find it done.
 *
 * A lock is a file with its owner's process and machine, touched while the owner lives. It is stale when that process is gone, or, on another
 * machine, when nobody touched it for a while. Should two processes hold one lock after all, the hash of the finished file still decides.
 */
import { randomUUID } from "node:crypto";
import { mkdir, open, readFile, rename, rm, stat, utimes } from "node:fs/promises";
import { hostname } from "node:os";
import { dirname } from "node:path";

const TOUCH_EVERY_MS = 5_000;
const STALE_AFTER_MS = 30_000;
const LOOK_EVERY_MS = 150;

export class BlobLock implements AsyncDisposable {
  readonly #path: string;
  readonly #text: string;
  readonly #timer: NodeJS.Timeout;

  private constructor(path: string, text: string) {
    this.#path = path;
    this.#text = text;
    this.#timer = setInterval(() => void utimes(path, new Date(), new Date()).catch(() => {}), TOUCH_EVERY_MS);
    this.#timer.unref();
  }

  /**
   * Waits until the lock is ours, or until `isDone` says that it is no longer needed.
   * @param pause waits, and throws when the caller was told to stop
   */
  static async acquire(path: string, isDone: () => boolean, pause: (milliseconds: number) => Promise<void>): Promise<BlobLock | undefined> {
    await mkdir(dirname(path), { recursive: true });
    const text = JSON.stringify({ process: process.pid, host: hostname(), id: randomUUID() });
    for (;;) {
      if (isDone()) return undefined;
      if (await createWhole(path, text)) return new BlobLock(path, text);
      if (await isStale(path)) await removeStale(path);
      else await pause(LOOK_EVERY_MS);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    clearInterval(this.#timer);
    // Taken over by somebody who thought us dead: theirs to remove.
    if ((await readFile(this.#path, "utf8").catch(() => "")) === this.#text) await rm(this.#path, { force: true });
  }
}

/** True when the file was not there and now is. */
async function createWhole(path: string, text: string): Promise<boolean> {
  try {
    const file = await open(path, "wx");
    await file.writeFile(text).finally(() => file.close());
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "EEXIST") return false;
    throw error;
  }
}

async function isStale(path: string): Promise<boolean> {
  const found = await stat(path).catch(() => undefined);
  if (!found) return false; // just released
  const age = Date.now() - found.mtimeMs;
  const owner = parseOwner(await readFile(path, "utf8").catch(() => ""));
  // A file without an owner is being written at this moment, or its owner died in doing so.
  if (!owner || owner.host !== hostname()) return age > STALE_AFTER_MS;
  return !isAlive(owner.process);
}

/** Renamed first: of several that found it stale, one succeeds and the others try again. */
async function removeStale(path: string): Promise<void> {
  const aside = `${path}.${randomUUID()}.stale`;
  const moved = await rename(path, aside).then(
    () => true,
    () => false,
  );
  if (moved) await rm(aside, { force: true });
}

function parseOwner(text: string): { process: number; host: string } | undefined {
  try {
    const { process: id, host } = JSON.parse(text) as { process?: unknown; host?: unknown };
    return typeof id === "number" && typeof host === "string" ? { process: id, host } : undefined;
  } catch {
    return undefined;
  }
}

function isAlive(id: number): boolean {
  try {
    process.kill(id, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === "EPERM"; // alive, of another user
  }
}
