/**
 * Lets one write run on the disk while the next piece is computed: native kernels block this thread, writes do not need it. What was written is
 * flushed every so often on the way, or the system would keep it until the end and the disk stand idle till then.
 */
import type { AtomicFile } from "./atomic-file.ts";

const FLUSH_BYTES = 32 * 2 ** 20;

export class WriteBehind {
  readonly #file: AtomicFile;
  #pending: Promise<void> = Promise.resolve();
  #flush: Promise<void> | undefined;
  #unflushed = 0;

  constructor(file: AtomicFile) {
    this.#file = file;
  }

  /** `bytes` must stay untouched until the next call has returned. @throws FileAccessError of a write or flush before */
  async put(bytes: Uint8Array, offset: number): Promise<void> {
    await this.#pending;
    this.#pending = this.#file.writeAt(bytes, offset);
    // Whoever calls next gets the error; until then it is not unhandled.
    this.#pending.catch(() => {});
    this.#unflushed += bytes.length;
    if (this.#unflushed < FLUSH_BYTES || this.#flush) return;
    this.#unflushed = 0;
    const flush = this.#file.flush();
    this.#flush = flush;
    // After a failure the promise stays, and `drain` finds it.
    flush.then(
      () => {
        this.#flush = undefined;
      },
      () => {},
    );
  }

  /** Waits for the last write. @throws FileAccessError */
  async drain(): Promise<void> {
    await this.#pending;
    await this.#flush;
  }
}
