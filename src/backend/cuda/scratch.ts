/**
 * Memory that ops need only while they run, one growing block a purpose: decoded weights, logits of a chunk, partial sums. Ops of one stream run
 * in order, so a purpose's block is free again when the next op starts; different purposes never share.
 *
 * A block that a captured graph may hold is not given back when a larger one replaces it.
 */
import type { CudaMemory } from "./cuda-memory.ts";
import type { CudaMemoryPool } from "./memory-pool.ts";

const STEP = 2 ** 20;

export class Scratch {
  readonly #pool: CudaMemoryPool;
  readonly #blocks = new Map<string, CudaMemory>();

  constructor(pool: CudaMemoryPool) {
    this.#pool = pool;
  }

  /** Bytes held. */
  get bytes(): number {
    let total = 0;
    for (const block of this.#blocks.values()) total += block.bytes;
    return total;
  }

  /** Bytes held for this purpose. */
  bytesOf(purpose: string): number {
    return this.#blocks.get(purpose)?.bytes ?? 0;
  }

  /** Address of at least `bytes` bytes for this purpose, aligned to 256. What they hold is undefined. */
  take(purpose: string, bytes: number): number {
    const held = this.#blocks.get(purpose);
    if (held && held.bytes >= bytes) return held.address!;
    if (held) {
      this.#blocks.delete(purpose);
      if (this.#pool.pins === 0) this.#pool.release(held);
    }
    const block = this.#pool.allocate(Math.ceil(Math.max(bytes, 1) / STEP) * STEP, `scratch: ${purpose}`);
    this.#blocks.set(purpose, block);
    return block.address!;
  }

  release(): void {
    for (const block of this.#blocks.values()) this.#pool.release(block);
    this.#blocks.clear();
  }
}
