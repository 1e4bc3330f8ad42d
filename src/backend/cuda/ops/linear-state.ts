/**
 * What is kept beside a LinearOperand, which is constant while its model lives: its checked sizes, the compute copies of its adapters, its
 * decoded weights when they are kept, and the table that the kernels for few rows read.
 *
 * Copies of quantized weights are made once: those never change while their model lives. Other copies are known to be old by a number: the sum of
 * the versions of the memories they were made from, plus the runtime's epoch. All of them only grow, so the sum is the same only when nothing was
 * written.
 */
import type { ActivationDType, LinearOperand, Operand } from "../../backend.ts";
import { type LinearSizes, linearGroupSizes } from "../../shapes/linear.ts";
import { type CudaMemory, cudaMemory } from "../cuda-memory.ts";
import type { CudaRuntime } from "../cuda-runtime.ts";

/** Compute copies of all adapters of a group. */
export interface AdapterCopy {
  readonly dtype: ActivationDType;
  /** [ΣR, In]: the A matrices one below the other. */
  readonly a: CudaMemory;
  /** [ΣOut, ΣR]: scale · B of each part on its own block of the diagonal, zeros elsewhere. */
  readonly b: CudaMemory;
  readonly madeFrom: number;
  /** What pack_matrices reads: where each matrix comes from and goes to. */
  readonly table: CudaMemory | undefined;
}

export interface DecodedCopy {
  readonly dtype: ActivationDType;
  readonly memory: CudaMemory;
  readonly madeFrom: number;
}

/** What dX of E4M3 weights needs beside them. */
export interface TransposedCodes {
  /** u8 [In, ΣOut]. */
  readonly codes: CudaMemory;
  /** u8 [ΣOut]: the scale of output o is 2^(exponents[o] − 127). */
  readonly exponents: CudaMemory;
  /** f32 [In], all 1: the scales of the columns of dX. */
  readonly ones: CudaMemory;
}

/** Where a part lies among the columns of y and of xa. */
export interface PartPlace {
  readonly row: number;
  readonly rank: number;
  readonly rankStart: number;
}

/** A table of layers, by content: a captured step holds the address of its own. */
export interface LayerTable {
  readonly bytes: Uint8Array;
  readonly memory: CudaMemory;
}

export interface LinearState {
  readonly sizes: LinearSizes;
  readonly places: readonly PartPlace[];
  adapters: AdapterCopy | undefined;
  decoded: DecodedCopy | undefined;
  transposed: TransposedCodes | undefined;
  table: CudaMemory | undefined;
  /** Of the group that a model's layers begin with. */
  readonly layerTables: LayerTable[];
}

export class LinearStates {
  readonly #cuda: CudaRuntime;
  readonly #states = new WeakMap<LinearOperand, LinearState>();
  /** Gives back what is kept beside a group that nobody holds any more. */
  readonly #cleanup: FinalizationRegistry<LinearState>;

  constructor(cuda: CudaRuntime) {
    this.#cuda = cuda;
    this.#cleanup = new FinalizationRegistry((state) => this.#release(state));
  }

  of(linear: LinearOperand): LinearState {
    const known = this.#states.get(linear);
    if (known) return known;
    const sizes = linearGroupSizes(linear);
    const nothing = { adapters: undefined, decoded: undefined, transposed: undefined, table: undefined };
    const state: LinearState = { sizes, places: places(linear), layerTables: [], ...nothing };
    this.#states.set(linear, state);
    this.#cleanup.register(linear, state);
    return state;
  }

  #release({ adapters, decoded, transposed, table, layerTables }: LinearState): void {
    // A captured graph may hold their addresses.
    if (this.#cuda.memory.pins > 0) return;
    const copies = [adapters?.a, adapters?.b, adapters?.table, decoded?.memory, transposed?.codes, transposed?.exponents, transposed?.ones];
    for (const memory of [...copies, table, ...layerTables.map((one) => one.memory)]) {
      if (memory && memory.address !== null) this.#cuda.memory.release(memory);
    }
  }
}

function places({ parts }: LinearOperand): PartPlace[] {
  let row = 0;
  let rankStart = 0;
  return parts.map(({ weight, lora }) => {
    const place = { row, rank: lora?.rank ?? 0, rankStart };
    row += weight.rows;
    rankStart += place.rank;
    return place;
  });
}

/** The number that tells whether anything in these operands was written since. */
export function versionOf(cuda: CudaRuntime, operands: readonly (Operand | undefined)[]): number {
  let sum = cuda.epoch;
  for (const operand of operands) if (operand) sum += cudaMemory(cuda.op, operand.memory).version;
  return sum;
}
