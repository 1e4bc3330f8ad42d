/**
 * Bytes of a file to the card: read in pieces straight into pinned memory, copied on a stream of their own while the next piece is read. Compute
 * waits on the card, not here, so loading goes at the speed of the disk (or the page cache).
 */
import { closeSync, fstatSync, openSync, readSync } from "node:fs";
import { ShapeError } from "../../errors/shape-error.ts";
import type { CudaMemory } from "./cuda-memory.ts";
import type { CudaRuntime } from "./cuda-runtime.ts";
import { Staging } from "./staging.ts";

const SLOTS = { count: 3, bytes: 16 * 2 ** 20 } as const;

export class FileStream {
  readonly #cuda: CudaRuntime;
  readonly #staging: Staging;
  #event = 0n;
  #open: { path: string; descriptor: number } | undefined;

  constructor(cuda: CudaRuntime) {
    this.#cuda = cuda;
    this.#staging = new Staging(cuda.driver, SLOTS.count, SLOTS.bytes);
  }

  load(path: string, byteOffset: number, bytes: number, label: string): CudaMemory {
    const cuda = this.#cuda;
    const doing = `Loading "${label}" from ${path}`;
    const descriptor = this.#descriptor(path);
    const { size } = fstatSync(descriptor);
    const end = byteOffset + bytes;
    if (!Number.isSafeInteger(byteOffset) || !Number.isSafeInteger(bytes) || byteOffset < 0 || bytes < 0 || end > size) {
      throw new ShapeError(doing, `bytes ${byteOffset} … ${end}`, `a file of ${size} bytes`);
    }
    const memory = cuda.memory.allocate(bytes, label);
    // What used this memory before is still on the compute stream.
    this.#wait(cuda.stream, cuda.copyStream);
    this.#staging.send("loadFile", memory.address!, bytes, cuda.copyStream, (slot, start) => {
      for (let done = 0; done < slot.byteLength; ) {
        const read = readSync(descriptor, slot, done, slot.byteLength - done, byteOffset + start + done);
        if (read === 0) throw new ShapeError(doing, `bytes up to ${end}`, `a file that ends at ${byteOffset + start + done}`);
        done += read;
      }
    });
    this.#wait(cuda.copyStream, cuda.stream);
    return memory;
  }

  release(): void {
    if (this.#open) closeSync(this.#open.descriptor);
    this.#open = undefined;
    if (this.#event !== 0n) this.#cuda.driver.fn.cuEventDestroy_v2(this.#event);
    this.#event = 0n;
    this.#staging.release();
  }

  /** The last file stays open: a checkpoint's tensors come from few files. */
  #descriptor(path: string): number {
    if (this.#open?.path === path) return this.#open.descriptor;
    const descriptor = openSync(path, "r");
    if (this.#open) closeSync(this.#open.descriptor);
    this.#open = { path, descriptor };
    return descriptor;
  }

  /** Everything enqueued on `first` so far comes before what is enqueued on `then` from now on. */
  #wait(first: bigint, then: bigint): void {
    const { driver } = this.#cuda;
    if (this.#event === 0n) {
      const out = new BigUint64Array(1);
      driver.check("loadFile", driver.fn.cuEventCreate(out, 2));
      this.#event = out[0]!;
    }
    driver.check("loadFile", driver.fn.cuEventRecord(this.#event, first));
    driver.check("loadFile", driver.fn.cuStreamWaitEvent(then, this.#event, 0));
  }
}
