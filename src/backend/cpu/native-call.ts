/**
 * One call of a kernel: enter (may it run?), the operands' addresses, leave (what does its status mean?). Ops never overlap, so one object
 * stands for the call that is running; `ops/` writes every op in these words.
 */
import type { Operand } from "../backend.ts";
import { operandBytes } from "../element-types.ts";
import type { NativeLibrary } from "./bindings.generated.ts";
import { readable, writable } from "./cpu-memory.ts";
import type { NativeContext } from "./native-context.ts";
import { NativeStructs } from "./native-linear.ts";

export class NativeCall {
  readonly library: NativeLibrary;
  readonly structs = new NativeStructs();
  /** The running op, as errors and profiles name it. */
  op = "";
  readonly #context: NativeContext;

  constructor(library: NativeLibrary, context: NativeContext) {
    this.library = library;
    this.#context = context;
  }

  /** @returns the context that kernels take first  @throws CancelledError */
  enter(op: string): bigint {
    this.op = op;
    return this.#context.enter(op);
  }

  /** The same for moving bytes, which is allowed after cancelling too. */
  enterTransfer(op: string): void {
    this.op = op;
    this.#context.enterTransfer(op);
  }

  /** @throws what a status other than OK stands for */
  leave(status: number): void {
    this.#context.leave(this.op, status);
  }

  /** Address of what the kernel reads; null for an operand that is left out. */
  in(operand: Operand): bigint;
  in(operand: Operand | null | undefined): bigint | null;
  in(operand: Operand | null | undefined): bigint | null {
    return operand ? readable(this.op, operand) : null;
  }

  /** Address of what the kernel writes; null for an operand that is left out. */
  out(operand: Operand): bigint;
  out(operand: Operand | null | undefined): bigint | null;
  out(operand: Operand | null | undefined): bigint | null {
    return operand ? writable(this.op, operand) : null;
  }

  /** Ops have finished when they return, so single numbers can be read between them. */
  readFloats(source: Operand): Float32Array {
    const values = new Float32Array(operandBytes(source) / 4);
    this.library.remora_copy(new Uint8Array(values.buffer), this.in(source), values.byteLength);
    return values;
  }

  writeFloats(target: Operand, values: readonly number[]): void {
    const bytes = new Uint8Array(Float32Array.from(values).buffer);
    this.library.remora_copy(this.out(target), bytes, bytes.byteLength);
  }
}
