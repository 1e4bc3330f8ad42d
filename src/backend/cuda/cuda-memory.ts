/**
 * Device memory of a card. Everything that hands an address to a kernel goes through `readable` or `writable`, which catch use after release
 * and windows beyond the end. `writable` also counts a new version of the memory, so that what was derived from it (the compute copy of an
 * adapter, decoded weights) is known to be old.
 */
import { ReleasedMemoryError } from "../../errors/released-memory-error.ts";
import { ShapeError } from "../../errors/shape-error.ts";
import type { DeviceMemory, Operand } from "../backend.ts";
import { operandBytes } from "../element-types.ts";

/** Ids that the host itself wrote, kept so that an index out of range is an error and not a silent zero. */
export interface KnownIndices {
  readonly offset: number;
  readonly bytes: number;
  readonly largest: number;
}

export class CudaMemory implements DeviceMemory {
  readonly bytes: number;
  readonly label: string;
  readonly owner: object;
  /** Address on the card; null once released. */
  address: number | null;
  /** Raised by every write. */
  version = 0;
  indices: KnownIndices[] = [];

  constructor(address: number, bytes: number, label: string, owner: object) {
    this.address = address;
    this.bytes = bytes;
    this.label = label;
    this.owner = owner;
  }
}

export function cudaMemory(op: string, memory: DeviceMemory): CudaMemory {
  if (!(memory instanceof CudaMemory)) throw new ReleasedMemoryError(op, memory.label, "belongs to another device");
  return memory;
}

/** Address of the operand's first element. */
export function readable(op: string, operand: Operand): number {
  const memory = cudaMemory(op, operand.memory);
  if (memory.address === null) throw new ReleasedMemoryError(op, memory.label, "was used after it was released");
  const end = operand.byteOffset + operandBytes(operand);
  if (operand.byteOffset < 0 || end > memory.bytes) {
    throw new ShapeError(`${op}: "${memory.label}"`, `a window inside its ${memory.bytes} bytes`, `bytes ${operand.byteOffset} … ${end}`);
  }
  return memory.address + operand.byteOffset;
}

/** The same for an operand that the op writes. */
export function writable(op: string, operand: Operand): number {
  const address = readable(op, operand);
  const memory = operand.memory as CudaMemory;
  memory.version++;
  if (memory.indices.length > 0) forgetIndices(memory, operand.byteOffset, operandBytes(operand));
  return address;
}

/** Remembers the largest of indices that were uploaded. */
export function noteIndices(operand: Operand, source: Uint8Array): void {
  const memory = operand.memory as CudaMemory;
  const view = new DataView(source.buffer, source.byteOffset, source.byteLength);
  let largest = -1;
  for (let at = 0; at + 4 <= source.byteLength; at += 4) largest = Math.max(largest, view.getInt32(at, true));
  memory.indices.push({ offset: operand.byteOffset, bytes: source.byteLength, largest });
}

function forgetIndices(memory: CudaMemory, start: number, bytes: number): void {
  memory.indices = memory.indices.filter(({ offset, bytes: size }) => offset >= start + bytes || offset + size <= start);
}

/** Largest index in the operand as the host wrote it; −1 when the host does not know it. */
export function largestIndex(operand: Operand): number {
  const known = (operand.memory as CudaMemory).indices.find(
    ({ offset, bytes }) => operand.byteOffset >= offset && operand.byteOffset + operandBytes(operand) <= offset + bytes,
  );
  return known?.largest ?? -1;
}
