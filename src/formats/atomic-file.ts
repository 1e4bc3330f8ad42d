/**
 * A file that appears whole or not at all: written aside under another name, flushed to the disk, then renamed over the target.
 *
 * Killed at any moment, the old file (if any) is untouched; what may stay behind is `<name>.<process>.partial`.
 */
import { type FileHandle, open, rename, unlink } from "node:fs/promises";
import { dirname } from "node:path";
import { FileAccessError } from "../errors/file-access-error.ts";

export class AtomicFile {
  readonly path: string;
  readonly #partial: string;
  readonly #handle: FileHandle;
  #written = 0;

  private constructor(path: string, partial: string, handle: FileHandle) {
    this.path = path;
    this.#partial = partial;
    this.#handle = handle;
  }

  /** @throws FileAccessError */
  static async create(path: string): Promise<AtomicFile> {
    const partial = `${path}.${process.pid}.partial`;
    try {
      return new AtomicFile(path, partial, await open(partial, "w"));
    } catch (cause) {
      throw new FileAccessError("Writing", path, cause);
    }
  }

  get byteLength(): number {
    return this.#written;
  }

  /** Appends. @throws FileAccessError, for one when the disk is full; call `abandon` then */
  async write(bytes: Uint8Array): Promise<void> {
    await this.writeAt(bytes, this.#written);
  }

  /** Writes at a place of the file, which may lie beyond what was written so far. @throws FileAccessError */
  async writeAt(bytes: Uint8Array, offset: number): Promise<void> {
    try {
      let done = 0;
      while (done < bytes.length) {
        // A single write call takes at most 2 GiB on Linux.
        const { bytesWritten } = await this.#handle.write(bytes, done, Math.min(bytes.length - done, 2 ** 30), offset + done);
        done += bytesWritten;
      }
      this.#written = Math.max(this.#written, offset + bytes.length);
    } catch (cause) {
      throw new FileAccessError("Writing", this.path, cause);
    }
  }

  /** Waits until what was written so far is on the disk; writes may go on meanwhile. @throws FileAccessError */
  async flush(): Promise<void> {
    try {
      await this.#handle.datasync();
    } catch (cause) {
      throw new FileAccessError("Writing", this.path, cause);
    }
  }

  /** Flushes and puts the file in place. */
  async commit(): Promise<void> {
    try {
      await this.#handle.sync();
      await this.#handle.close();
      await rename(this.#partial, this.path);
      await syncFolder(dirname(this.path));
    } catch (cause) {
      throw new FileAccessError("Writing", this.path, cause);
    }
  }

  /** Throws away what was written. Never fails: it runs while another error is on its way. */
  async abandon(): Promise<void> {
    await this.#handle.close().catch(() => {});
    await unlink(this.#partial).catch(() => {});
  }
}

/** Writes a small file whole. @throws FileAccessError */
export async function writeFileAtomically(path: string, content: string | Uint8Array): Promise<void> {
  const file = await AtomicFile.create(path);
  try {
    await file.write(typeof content === "string" ? Buffer.from(content, "utf8") : content);
    await file.commit();
  } catch (error) {
    await file.abandon();
    throw error;
  }
}

/** A rename is safe against power loss only when the folder itself is flushed. Windows cannot open folders; there it is skipped. */
async function syncFolder(path: string): Promise<void> {
  if (process.platform === "win32") return;
  const folder = await open(path, "r");
  try {
    await folder.sync();
  } finally {
    await folder.close();
  }
}
