/**
 * remora_weight and remora_linear_part as bytes.
 *
 * A LinearOperand is constant while its model lives, so its structs are encoded and its shapes checked once and kept beside it in a WeakMap.
 * What is checked on every call is only that the memory it points to is still there.
 */
import { ReleasedMemoryError } from "../../errors/released-memory-error.ts";
import type { LinearOperand, Operand, WeightOperand } from "../backend.ts";
import { type LinearSizes, linearGroupSizes } from "../shapes/linear.ts";
import { checkWeight } from "../shapes/weights.ts";
import { type CpuMemory, readable, writable } from "./cpu-memory.ts";
import { FORMAT_CODES } from "./native-codes.ts";

const WEIGHT_BYTES = 64;
const PART_BYTES = 104;

/** Encoded structs with the memories they point into. */
export interface NativeWeight {
  readonly bytes: Uint8Array;
  readonly memories: readonly CpuMemory[];
}

export interface NativeLinear extends NativeWeight {
  readonly sizes: LinearSizes;
  readonly partCount: number;
}

export class NativeStructs {
  readonly #linears = new WeakMap<LinearOperand, NativeLinear>();
  readonly #weights = new WeakMap<WeightOperand, NativeWeight>();

  linear(op: string, linear: LinearOperand): NativeLinear {
    let native = this.#linears.get(linear);
    if (!native) {
      native = encodeLinear(op, linear);
      this.#linears.set(linear, native);
    }
    expectLive(op, native.memories);
    return native;
  }

  weight(op: string, weight: WeightOperand): Uint8Array {
    let native = this.#weights.get(weight);
    if (!native) {
      checkWeight(op, weight);
      const encoder = new StructEncoder(op, WEIGHT_BYTES);
      encoder.weight(0, weight);
      native = encoder;
      this.#weights.set(weight, native);
    }
    expectLive(op, native.memories);
    return native.bytes;
  }
}

function expectLive(op: string, memories: readonly CpuMemory[]): void {
  for (const memory of memories) {
    if (memory.address === null) throw new ReleasedMemoryError(op, memory.label, "was used after it was released");
  }
}

function encodeLinear(op: string, linear: LinearOperand): NativeLinear {
  const sizes = linearGroupSizes(linear);
  const encoder = new StructEncoder(op, PART_BYTES * linear.parts.length);
  linear.parts.forEach(({ weight, lora }, index) => {
    const start = index * PART_BYTES;
    encoder.weight(start, weight);
    if (!lora || lora.rank === 0) return;
    encoder.pointer(start + 64, lora.a, false);
    encoder.pointer(start + 72, lora.b, false);
    encoder.pointer(start + 80, lora.aGradient, true);
    encoder.pointer(start + 88, lora.bGradient, true);
    encoder.view.setInt32(start + 96, lora.rank, true);
    encoder.view.setFloat32(start + 100, lora.scale, true);
  });
  return { bytes: encoder.bytes, memories: encoder.memories, sizes, partCount: linear.parts.length };
}

/** Writes fields at the offsets of the 64-bit little-endian ABI that remora.h states. */
class StructEncoder implements NativeWeight {
  readonly bytes: Uint8Array;
  readonly view: DataView;
  readonly memories: CpuMemory[] = [];
  readonly #op: string;

  constructor(op: string, size: number) {
    const buffer = new ArrayBuffer(size);
    this.bytes = new Uint8Array(buffer);
    this.view = new DataView(buffer);
    this.#op = op;
  }

  pointer(at: number, operand: Operand | undefined, written: boolean): void {
    if (!operand) return;
    const address = written ? writable(this.#op, operand) : readable(this.#op, operand);
    this.view.setBigUint64(at, address, true);
    this.memories.push(operand.memory as CpuMemory);
  }

  weight(at: number, weight: WeightOperand): void {
    this.view.setInt32(at, FORMAT_CODES[weight.format], true);
    this.view.setBigInt64(at + 8, BigInt(weight.rows), true);
    this.view.setBigInt64(at + 16, BigInt(weight.cols), true);
    this.pointer(at + 24, weight.data, false);
    this.pointer(at + 32, weight.scales, false);
    if (!weight.nested) return;
    this.pointer(at + 40, weight.nested.scales, false);
    this.pointer(at + 48, weight.nested.code, false);
    this.view.setFloat32(at + 56, weight.nested.offset, true);
  }
}
