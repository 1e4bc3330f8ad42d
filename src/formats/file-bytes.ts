/**
 * Synchronous reading of parts of a file, bounds-checked, for headers and small tensors. Weights themselves are mapped by the backend.
 */
import { closeSync, fstatSync, openSync, readSync, statSync } from "node:fs";
import { FileAccessError } from "../errors/file-access-error.ts";

/** One system call reads at most 2 GiB. */
const MAX_READ_BYTES = 2 ** 30;

export class FileBytes {
  readonly path: string;
  readonly byteLength: number;
  readonly #descriptor: number;

  constructor(path: string) {
    this.path = path;
    let descriptor: number | undefined;
    try {
      const stat = statSync(path);
      if (stat.isDirectory()) throw Object.assign(new Error("is a directory"), { code: "EISDIR" });
      // Opening a pipe would wait for whoever writes to it.
      if (!stat.isFile()) throw new Error("expected a file, found a device or pipe");
      descriptor = openSync(path, "r");
      this.byteLength = fstatSync(descriptor).size;
    } catch (cause) {
      if (descriptor !== undefined) closeSync(descriptor);
      throw new FileAccessError("Reading", path, cause);
    }
    this.#descriptor = descriptor;
  }

  /**
   * Exactly `length` bytes from `offset`; the caller has checked them against `byteLength`.
   * @param out where they go
   * @throws FileAccessError also when the file shrank
   */
  read(offset: number, length: number, out = new Uint8Array(length)): Uint8Array {
    let done = 0;
    try {
      while (done < length) {
        const count = readSync(this.#descriptor, out, done, Math.min(length - done, MAX_READ_BYTES), offset + done);
        if (count === 0) throw new Error(`the file ended at byte ${offset + done} while ${length - done} more were expected`);
        done += count;
      }
    } catch (cause) {
      throw new FileAccessError("Reading", this.path, cause);
    }
    return out;
  }

  [Symbol.dispose](): void {
    closeSync(this.#descriptor);
  }
}

/** Bytes of a tensor, copied to memory: for small ones. Does not depend on the file staying open. */
export function readTensorBytes(view: { path: string; byteOffset: number; byteLength: number }): Uint8Array {
  using file = new FileBytes(view.path);
  return file.read(view.byteOffset, view.byteLength);
}
