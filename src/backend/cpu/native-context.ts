/**
 * One remora_context and what happens around every op: the cancel flag is read before it, a refusal becomes an error with the context's own
 * text after it, and with profiling on its time is added up.
 */
import { CancelledError } from "../../errors/cancelled-error.ts";
import { KernelError } from "../../errors/kernel-error.ts";
import { OutOfMemoryError } from "../../errors/out-of-memory-error.ts";
import { ReleasedMemoryError } from "../../errors/released-memory-error.ts";
import { type NativeLibrary, OK, STATUS_MEMORY } from "./bindings.generated.ts";
import { type CpuIsa, isaName } from "./isa.ts";
import { statusName } from "./native-codes.ts";

export interface OpTime {
  calls: number;
  ms: number;
}

export class NativeContext {
  readonly isa: CpuIsa;
  readonly threads: number;
  /** Calls and milliseconds by op; null when profiling is off. */
  readonly times: Map<string, OpTime> | null;
  readonly #library: NativeLibrary;
  readonly #device: string;
  readonly #cancelFlag: Int32Array | undefined;
  #handle: bigint | null;
  #startedAt = 0;
  #uninterrupted = false;

  constructor(library: NativeLibrary, handle: bigint, device: string, options: { cancelFlag?: Int32Array | undefined; profile: boolean }) {
    this.#library = library;
    this.#handle = handle;
    this.#device = device;
    this.#cancelFlag = options.cancelFlag;
    this.isa = isaName(library.remora_context_isa(handle));
    this.threads = library.remora_context_threads(handle);
    this.times = options.profile ? new Map() : null;
  }

  get scratchBytes(): number {
    return this.#handle === null ? 0 : Number(this.#library.remora_context_scratch_bytes(this.#handle));
  }

  /** Before moving bytes: like an op, but allowed after cancelling too, because a cancelled run still writes its checkpoint. */
  enterTransfer(op: string): bigint {
    if (this.#handle === null) throw new ReleasedMemoryError(op, this.#device, "was used after it was disposed");
    if (this.times !== null) this.#startedAt = performance.now();
    return this.#handle;
  }

  /** Before an op: the handle to pass, once it is clear that the op may run. */
  enter(op: string): bigint {
    if (this.#cancelFlag !== undefined && !this.#uninterrupted && Atomics.load(this.#cancelFlag, 0) !== 0)
      throw new CancelledError(`Running ${op}`);
    return this.enterTransfer(op);
  }

  /** Runs ops without reading the cancel flag. */
  uninterrupted<T>(run: () => T): T {
    const before = this.#uninterrupted;
    this.#uninterrupted = true;
    try {
      return run();
    } finally {
      this.#uninterrupted = before;
    }
  }

  /** After an op: what its status means. */
  leave(op: string, status: number): void {
    if (this.times !== null) this.#count(op);
    if (status === OK) return;
    const text = this.#handle === null ? "" : this.#library.remora_context_error(this.#handle);
    if (status === STATUS_MEMORY) {
      throw new OutOfMemoryError({ doing: `Running ${op} (${text})`, device: this.#device, neededBytes: this.scratchBytes });
    }
    throw new KernelError(op, statusName(status), text);
  }

  get destroyed(): boolean {
    return this.#handle === null;
  }

  destroy(): void {
    if (this.#handle !== null) this.#library.remora_context_destroy(this.#handle);
    this.#handle = null;
  }

  #count(op: string): void {
    const elapsed = performance.now() - this.#startedAt;
    const time = this.times!.get(op);
    if (time) {
      time.calls++;
      time.ms += elapsed;
    } else this.times!.set(op, { calls: 1, ms: elapsed });
  }
}

/** The profile as a table, the dearest op first. */
export function formatOpTimes(times: ReadonlyMap<string, OpTime>): string {
  const rows = [...times].sort(([, a], [, b]) => b.ms - a.ms);
  const total = rows.reduce((sum, [, time]) => sum + time.ms, 0);
  const line = (op: string, time: OpTime) =>
    `${op.padEnd(22)} ${time.ms.toFixed(1).padStart(12)} ms ${((100 * time.ms) / (total || 1)).toFixed(1).padStart(5)}% ` +
    `${String(time.calls).padStart(9)} ${time.calls === 1 ? "call " : "calls"} ${((1000 * time.ms) / time.calls).toFixed(1).padStart(10)} µs each`;
  return rows.map(([op, time]) => line(op, time)).join("\n");
}
