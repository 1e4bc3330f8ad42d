/** Lets one write run on the disk while the next piece is computed: native kernels block this thread, writes do not need it. */
import type { AtomicFile } from "./atomic-file.ts";

export class WriteBehind {
  readonly #file: AtomicFile;
  #pending: Promise<void> = Promise.resolve();

  constructor(file: AtomicFile) {
    this.#file = file;
  }

  /** `bytes` must stay untouched until the next call has returned. @throws FileAccessError of the write before */
  async put(bytes: Uint8Array, offset: number): Promise<void> {
    await this.#pending;
    this.#pending = this.#file.writeAt(bytes, offset);
    // Whoever calls next gets the error; until then it is not unhandled.
    this.#pending.catch(() => {});
  }

  /** Waits for the last write. @throws FileAccessError */
  async drain(): Promise<void> {
    await this.#pending;
  }
}
