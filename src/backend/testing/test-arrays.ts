/**
 * Host arrays ↔ operands of one backend, for tests.
 *
 * Outputs are poisoned (every byte 0xFF: NaN, or −1) before each run, so that what a kernel forgets to write is found; arrays that are added
 * to start each run from the values given. Everything is released with `release()`.
 */
import type { Backend, DeviceMemory, DType, Operand, WeightFormat, WeightOperand } from "../backend.ts";
import { BYTES_PER_ELEMENT, elementCount } from "../element-types.ts";
import { decode, encode } from "./number-codec.ts";

interface Written {
  readonly name: string;
  readonly operand: Operand;
  /** Bytes before each run. */
  readonly before: Uint8Array;
}

export class TestArrays {
  readonly backend: Backend;
  readonly written: Written[] = [];
  readonly #memories: DeviceMemory[] = [];

  constructor(backend: Backend) {
    this.backend = backend;
  }

  input(dtype: DType, shape: readonly number[], values: ArrayLike<number>): Operand {
    return this.inputBytes(dtype, shape, encode(dtype, values));
  }

  inputBytes(dtype: DType, shape: readonly number[], bytes: Uint8Array): Operand {
    const operand = this.#allocate("input", dtype, shape);
    this.backend.upload(operand, bytes);
    return operand;
  }

  /** An array that the op must write whole. */
  output(name: string, dtype: DType, shape: readonly number[]): Operand {
    const operand = this.#allocate(name, dtype, shape);
    this.written.push({ name, operand, before: new Uint8Array(elementCount(operand) * BYTES_PER_ELEMENT[dtype]).fill(0xff) });
    return operand;
  }

  /** An array that the op adds to or changes. */
  changed(name: string, dtype: DType, shape: readonly number[], values: ArrayLike<number>): Operand {
    const operand = this.#allocate(name, dtype, shape);
    this.written.push({ name, operand, before: encode(dtype, values) });
    return operand;
  }

  /** A dense weight. */
  weight(format: WeightFormat & DType, rows: number, cols: number, values: ArrayLike<number>, path = "test.weight"): WeightOperand {
    return { format, rows, cols, data: this.input(format, [rows, cols], values), path };
  }

  /** Puts every written array back to what it is before a run. */
  reset(): void {
    for (const { operand, before } of this.written) this.backend.upload(operand, before);
  }

  async read(operand: Operand): Promise<Float64Array> {
    return decode(operand.dtype, await this.backend.download(operand));
  }

  async readAll(): Promise<Map<string, Uint8Array>> {
    const result = new Map<string, Uint8Array>();
    for (const { name, operand } of this.written) result.set(name, await this.backend.download(operand));
    return result;
  }

  release(): void {
    for (const memory of this.#memories.splice(0)) this.backend.release(memory);
  }

  #allocate(label: string, dtype: DType, shape: readonly number[]): Operand {
    const count = shape.reduce((product, size) => product * size, 1);
    const memory = this.backend.allocate(count * BYTES_PER_ELEMENT[dtype], label);
    this.#memories.push(memory);
    return { memory, byteOffset: 0, dtype, shape };
  }
}
