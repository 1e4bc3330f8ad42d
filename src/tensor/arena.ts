/**
 * Where tensors get their memory: a best-fit allocator inside large blocks of device memory.
 *
 * Fresh memory is slow (page faults on a CPU, driver calls on a GPU) and the garbage collector is no allocator, so blocks are taken from the
 * backend once and cut up here. Neighbouring free pieces are merged, so a step with another mix of sizes reuses the same bytes.
 * Everything is deterministic: the same sequence of requests gives the same addresses, which is what a captured GPU step needs.
 */
import type { Backend, DeviceMemory } from "../backend/backend.ts";

const ALIGNMENT = 256;
/** Blocks are at least this large, so that small tensors do not each cost a call to the driver. */
const MINIMUM_BLOCK_BYTES = 32 * 2 ** 20;

/** A piece of a block, free or taken. Pieces of a block form a doubly linked list in address order. */
export interface Piece {
  readonly memory: DeviceMemory;
  readonly offset: number;
  bytes: number;
  free: boolean;
  previous: Piece | undefined;
  next: Piece | undefined;
}

export class Arena {
  readonly backend: Backend;
  readonly #allocate: (bytes: number, label: string) => DeviceMemory;
  #host: Arena | undefined;
  readonly #blocks: DeviceMemory[] = [];
  readonly #free = new Set<Piece>();
  #usedBytes = 0;
  #peakBytes = 0;

  constructor(backend: Backend, allocate = (bytes: number, label: string) => backend.allocate(bytes, label)) {
    this.backend = backend;
    this.#allocate = allocate;
  }

  /** The arena of host memory that the device reaches over the bus; undefined where the device has no memory of its own. */
  get host(): Arena | undefined {
    const { backend } = this;
    if (backend.allocateHost) this.#host ??= new Arena(backend, (bytes, label) => backend.allocateHost!(bytes, label));
    return this.#host;
  }

  /** Bytes handed out now. */
  get usedBytes(): number {
    return this.#usedBytes;
  }

  /** Most bytes ever handed out at once since `resetPeak`. */
  get peakBytes(): number {
    return this.#peakBytes;
  }

  /** Bytes held from the backend. */
  get reservedBytes(): number {
    return this.#blocks.reduce((sum, block) => sum + block.bytes, 0);
  }

  resetPeak(): void {
    this.#peakBytes = this.#usedBytes;
  }

  take(bytes: number, label: string): Piece {
    const size = Math.max(ALIGNMENT, Math.ceil(bytes / ALIGNMENT) * ALIGNMENT);
    const piece = this.#bestFit(size) ?? this.#grow(size, label);
    this.#free.delete(piece);
    if (piece.bytes > size) this.#split(piece, size);
    piece.free = false;
    this.#usedBytes += piece.bytes;
    this.#peakBytes = Math.max(this.#peakBytes, this.#usedBytes);
    return piece;
  }

  give(piece: Piece): void {
    this.#usedBytes -= piece.bytes;
    piece.free = true;
    let merged = piece;
    if (merged.next?.free) merged = this.#merge(merged, merged.next);
    if (merged.previous?.free) merged = this.#merge(merged.previous, merged);
    this.#free.add(merged);
  }

  /** Returns blocks that hold nothing to the backend. */
  trim(): void {
    this.#host?.trim();
    for (const piece of [...this.#free]) {
      if (piece.previous || piece.next) continue;
      this.#free.delete(piece);
      this.#blocks.splice(this.#blocks.indexOf(piece.memory), 1);
      this.backend.release(piece.memory);
    }
  }

  dispose(): void {
    this.#host?.dispose();
    for (const block of this.#blocks.splice(0)) this.backend.release(block);
    this.#free.clear();
    this.#usedBytes = 0;
  }

  #bestFit(size: number): Piece | undefined {
    let best: Piece | undefined;
    for (const piece of this.#free) {
      if (piece.bytes >= size && (!best || piece.bytes < best.bytes)) best = piece;
    }
    return best;
  }

  #grow(size: number, label: string): Piece {
    const bytes = Math.max(size, MINIMUM_BLOCK_BYTES);
    const memory = this.#allocate(bytes, label);
    this.#blocks.push(memory);
    return { memory, offset: 0, bytes, free: true, previous: undefined, next: undefined };
  }

  #split(piece: Piece, size: number): void {
    const rest: Piece = {
      memory: piece.memory,
      offset: piece.offset + size,
      bytes: piece.bytes - size,
      free: true,
      previous: piece,
      next: piece.next,
    };
    if (rest.next) rest.next.previous = rest;
    piece.next = rest;
    piece.bytes = size;
    this.#free.add(rest);
  }

  #merge(left: Piece, right: Piece): Piece {
    this.#free.delete(left);
    this.#free.delete(right);
    left.bytes += right.bytes;
    left.next = right.next;
    if (right.next) right.next.previous = left;
    left.free = true;
    return left;
  }
}
