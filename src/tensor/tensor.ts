/**
 * A tensor: a typed, shaped window onto device memory, with a count of who still needs that memory.
 *
 * Memory is never left to the garbage collector. A tensor is born with one reference, held by the scope it was made in; whoever keeps it
 * longer (the tape, a cache) calls `retain`, and the last `release` gives the bytes back at once. Views share their parent's storage.
 */
import type { DeviceMemory, DType, LinearOperand, Operand } from "../backend/backend.ts";
import { ReleasedMemoryError } from "../errors/released-memory-error.ts";
import { ShapeError } from "../errors/shape-error.ts";
import type { Arena, Piece } from "./arena.ts";
import { byteSize, bytesPerElement, elementCount, type Shape } from "./shape.ts";

/** Bytes with a reference count. */
class Storage {
  references = 1;
  freedBy = "";
  readonly memory: DeviceMemory;
  readonly byteOffset: number;
  readonly #free: () => void;

  constructor(memory: DeviceMemory, byteOffset: number, free: () => void) {
    this.memory = memory;
    this.byteOffset = byteOffset;
    this.#free = free;
  }

  release(by: string): void {
    this.references--;
    if (this.references > 0) return;
    this.freedBy = by;
    this.#free();
  }
}

let nextId = 1;

/** How to make a tensor again instead of keeping it: cheap to compute from things that are kept anyway. */
export interface Recipe {
  /** What must stay alive for `make`. */
  readonly needs: readonly Tensor[];
  make(): Tensor;
}

export class Tensor implements Operand {
  readonly id = nextId++;
  readonly dtype: DType;
  readonly shape: Shape;
  readonly label: string;
  /** True when a gradient must flow through this tensor. */
  requiresGradient = false;
  /** Set by ops whose output is cheap to make again. */
  recipe: Recipe | undefined;
  /** Set by a linear on its output: who reads this tensor's gradient. What makes that gradient just before may tell the device. */
  gradientReader: LinearOperand | undefined;
  readonly #storage: Storage;
  readonly #viewOffset: number;

  private constructor(storage: Storage, viewOffset: number, dtype: DType, shape: Shape, label: string) {
    this.#storage = storage;
    this.#viewOffset = viewOffset;
    this.dtype = dtype;
    this.shape = shape;
    this.label = label;
  }

  /** A tensor in the arena. */
  static take(arena: Arena, dtype: DType, shape: Shape, label: string): Tensor {
    const piece: Piece = arena.take(byteSize(dtype, shape), label);
    return new Tensor(new Storage(piece.memory, piece.offset, () => arena.give(piece)), 0, dtype, shape, label);
  }

  /** A tensor over device memory that somebody else made; `free` runs with the last release. */
  static over(memory: DeviceMemory, byteOffset: number, dtype: DType, shape: Shape, label: string, free: () => void = () => {}): Tensor {
    return new Tensor(new Storage(memory, byteOffset, free), 0, dtype, shape, label);
  }

  get memory(): DeviceMemory {
    this.#checkAlive();
    return this.#storage.memory;
  }

  get byteOffset(): number {
    return this.#storage.byteOffset + this.#viewOffset;
  }

  get bytes(): number {
    return byteSize(this.dtype, this.shape);
  }

  /** True when nobody else holds the storage: its bytes may be overwritten in place. */
  get isSoleOwner(): boolean {
    return this.#storage.references === 1;
  }

  get isFreed(): boolean {
    return this.#storage.references <= 0;
  }

  retain(): this {
    this.#checkAlive();
    this.#storage.references++;
    return this;
  }

  /** @param by who lets go, for the message of a later use */
  release(by = "release()"): void {
    if (this.#storage.references > 0) this.#storage.release(by);
  }

  /**
   * Elements [offset, offset + count(shape)) of this tensor as another shape. Shares the storage and holds no reference of its own:
   * it lives as long as its parent, or as long as somebody retains it.
   * @throws ShapeError when the window does not lie inside
   */
  view(shape: Shape, elementOffset = 0, label = this.label): Tensor {
    if (elementOffset < 0 || elementOffset + elementCount(shape) > elementCount(this.shape)) {
      throw new ShapeError(`view of ${this.label}`, `at most ${elementCount(this.shape)} elements`, [elementOffset, ...shape]);
    }
    return new Tensor(this.#storage, this.#viewOffset + elementOffset * bytesPerElement(this.dtype), this.dtype, shape, label);
  }

  #checkAlive(): void {
    if (this.#storage.references > 0) return;
    throw new ReleasedMemoryError("Using a tensor", this.label, `was freed by ${this.#storage.freedBy}`);
  }
}
