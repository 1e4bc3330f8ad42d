/**
 * Memory for the pieces of a save, two in turn: while the disk takes one, the next is made in the other. A piece is valid until the one after the
 * next is asked for, whatever tensor that belongs to, so writers may have one write on its way (`WriteBehind`).
 */
import type { Backend, DeviceMemory, DType, Operand } from "../backend/backend.ts";
import { byteSize, type Shape } from "../tensor/shape.ts";

/** Bytes of a piece, near enough: large beside a call, small beside a model. */
export const PIECE_BYTES = 4 * 2 ** 20;

export interface Piece {
  readonly operand: Operand;
  /** The operand's bytes. */
  readonly bytes: Uint8Array;
}

interface Buffer {
  readonly memory: DeviceMemory;
  readonly bytes: Uint8Array;
}

export class PieceBuffers {
  readonly #backend: Backend;
  readonly #buffers: [Buffer | undefined, Buffer | undefined] = [undefined, undefined];
  #turn: 0 | 1 = 0;

  /** @param backend of this process's own memory: the CPU. It releases the buffers when it is disposed. */
  constructor(backend: Backend) {
    this.#backend = backend;
  }

  next(dtype: DType, shape: Shape, label: string): Piece {
    const bytes = byteSize(dtype, shape);
    const buffer = this.#buffer(bytes);
    return { operand: { memory: buffer.memory, byteOffset: 0, dtype, shape, label }, bytes: buffer.bytes.subarray(0, bytes) };
  }

  #buffer(bytes: number): Buffer {
    this.#turn = this.#turn === 0 ? 1 : 0;
    const old = this.#buffers[this.#turn];
    if (old && old.memory.bytes >= bytes) return old;
    if (old) this.#backend.release(old.memory);
    const memory = this.#backend.allocate(Math.max(bytes, PIECE_BYTES), "a piece of a save");
    const made = { memory, bytes: this.#backend.hostBytes!(memory) };
    this.#buffers[this.#turn] = made;
    return made;
  }
}
