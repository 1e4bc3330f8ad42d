/**
 * Device memory of the CPU: an address in this process. Everything that hands an address to a kernel goes through `readable` or `writable`,
 * which catch use after release, windows beyond the end, and writes into a mapped file, all of which would otherwise crash the process.
 */
import { ReleasedMemoryError } from "../../errors/released-memory-error.ts";
import { ShapeError } from "../../errors/shape-error.ts";
import type { DeviceMemory, Operand } from "../backend.ts";
import { operandBytes } from "../element-types.ts";

export class CpuMemory implements DeviceMemory {
  readonly bytes: number;
  readonly label: string;
  /** What gives the memory back; also tells which backend it belongs to. */
  readonly owner: object;
  /** True for mapped files. */
  readonly readOnly: boolean;
  /** Address of the first byte; null once released. */
  address: bigint | null;

  constructor(address: bigint, bytes: number, label: string, owner: object, readOnly: boolean) {
    this.address = address;
    this.bytes = bytes;
    this.label = label;
    this.owner = owner;
    this.readOnly = readOnly;
  }
}

export function cpuMemory(op: string, memory: DeviceMemory): CpuMemory {
  if (!(memory instanceof CpuMemory)) throw new ReleasedMemoryError(op, memory.label, "belongs to another device");
  return memory;
}

/** Address of the operand's first element. */
export function readable(op: string, operand: Operand): bigint {
  const memory = cpuMemory(op, operand.memory);
  if (memory.address === null) throw new ReleasedMemoryError(op, memory.label, "was used after it was released");
  const end = operand.byteOffset + operandBytes(operand);
  if (operand.byteOffset < 0 || end > memory.bytes) {
    throw new ShapeError(`${op}: "${memory.label}"`, `a window inside its ${memory.bytes} bytes`, `bytes ${operand.byteOffset} … ${end}`);
  }
  return operand.byteOffset === 0 ? memory.address : memory.address + BigInt(operand.byteOffset);
}

/** The same for an operand that the op writes. */
export function writable(op: string, operand: Operand): bigint {
  const address = readable(op, operand);
  if ((operand.memory as CpuMemory).readOnly) {
    throw new ReleasedMemoryError(op, operand.memory.label, "is a mapped file and cannot be written");
  }
  return address;
}
