/**
 * A base with its adapter merged in, made a few rows at a time: `W + scale · B A`, added in f32 and rounded once, in one pass over W. Nothing is ever
 * whole, so a model of any size passes through a few dozen megabytes: rows of the file are read ahead of their turn and let go behind it.
 *
 * W is the file's own (`original`) or what training saw, the weights encoded to 4 bits and decoded again (`trained`).
 */
import type { ActivationDType, Backend, LoraOperand, Operand } from "../backend/backend.ts";
import { ShapeError } from "../errors/shape-error.ts";
import { decoderParameters, type ParameterInfo } from "../models/decoder-parameters.ts";
import type { DecoderShape } from "../models/decoder-shape.ts";
import { find } from "../models/load-model.ts";
import { type BaseFormat, loadMatrix } from "../models/load-weights.ts";
import { readStoredTensor } from "../models/stored-tensor.ts";
import type { StoredTensor, WeightSource } from "../models/stored-weights.ts";
import { rowBytes } from "../quant/weight-formats.ts";
import type { Arena } from "../tensor/arena.ts";
import type { MatrixParameter } from "../tensor/parameter.ts";
import { Tensor } from "../tensor/tensor.ts";
import type { Delta } from "./combine-adapters.ts";
import { PIECE_BYTES, PieceBuffers } from "./piece-buffers.ts";

/** Rows [row, row + count) of a matrix. */
export interface RowRange {
  readonly row: number;
  readonly count: number;
}

/** @param multiple ranges start and end at multiples of this many rows, but for the last */
export function* rowRanges(rows: number, bytesPerRow: number, multiple = 1): Generator<RowRange> {
  const step = Math.max(1, Math.floor(PIECE_BYTES / (bytesPerRow * multiple))) * multiple;
  for (let row = 0; row < rows; row += step) yield { row, count: Math.min(step, rows - row) };
}

export class MergedWeights {
  readonly source: WeightSource;
  readonly shape: DecoderShape;
  readonly arena: Arena;
  readonly parameters: readonly ParameterInfo[];
  readonly pieces: PieceBuffers;
  readonly #deltas: ReadonlyMap<string, Delta>;
  readonly #linears: BaseFormat;

  /**
   * @param arena of the CPU
   * @param linears how the base's linears are taken: `file`, or `nf4` for what a QLoRA run trained against
   */
  constructor(arena: Arena, source: WeightSource, shape: DecoderShape, deltas: readonly Delta[], linears: BaseFormat) {
    this.arena = arena;
    this.source = source;
    this.shape = shape;
    this.parameters = decoderParameters(shape);
    this.pieces = new PieceBuffers(arena.backend);
    this.#deltas = new Map(deltas.map((delta) => [`${delta.path}.weight`, delta]));
    this.#linears = linears;
  }

  get backend(): Backend {
    return this.arena.backend;
  }

  /** A norm's weight or a bias, as a Hugging Face checkpoint holds it. @throws MissingWeightError, ShapeError */
  vector({ path, shape }: ParameterInfo): Float32Array {
    const stored = find(this.source, path);
    if (stored.shape.length !== 1 || stored.shape[0] !== shape[0]) throw new ShapeError(`Reading ${path}`, shape, stored.shape);
    return readStoredTensor(stored);
  }

  /** The stored tensor, when the merged matrix is that and nothing else: its bytes may be copied. */
  untouched(parameter: ParameterInfo): StoredTensor | undefined {
    const stored = find(this.source, parameter.path);
    const converted = parameter.role === "linear" && this.#linears !== "file" && stored.format !== this.#linears;
    return this.#deltas.has(parameter.path) || converted ? undefined : stored;
  }

  /** @throws MissingWeightError, ShapeError */
  async open({ path, role, shape }: ParameterInfo): Promise<MergedMatrix> {
    const [rows, cols] = shape as [number, number];
    const base = await loadMatrix(this.arena, find(this.source, path), rows, cols, role === "linear" ? this.#linears : "file");
    return new MergedMatrix(this.arena, base, this.#deltas.get(path));
  }
}

/** One merged matrix [rows, cols]; rows of it are made where they are wanted, in order. */
export class MergedMatrix {
  readonly rows: number;
  readonly cols: number;
  readonly backend: Backend;
  readonly #base: MatrixParameter;
  readonly #lora: LoraOperand | null = null;
  readonly #owned: { release(by: string): void }[];

  constructor(arena: Arena, base: MatrixParameter, delta: Delta | undefined) {
    this.backend = arena.backend;
    this.#base = base;
    this.rows = base.weight.rows;
    this.cols = base.weight.cols;
    this.#owned = [...base.owned];
    if (!delta) return;
    const { rank, scale } = delta;
    const put = (values: Float32Array, shape: number[], name: string): Tensor => {
      const tensor = Tensor.take(arena, "f32", shape, `${name} of ${base.path}`);
      this.#owned.push(tensor);
      this.backend.upload(tensor, new Uint8Array(values.buffer, values.byteOffset, values.byteLength));
      return tensor;
    };
    this.#lora = { a: put(delta.a, [rank, this.cols], "A"), b: put(delta.b, [this.rows, rank], "B"), rank, scale };
  }

  /** @param out [count, cols] f32, bf16 or f16 */
  write({ row, count }: RowRange, out: Operand): void {
    this.#around(row, count, () => this.backend.mergeRows!(this.#base.weight, this.#lora, out, row, count));
  }

  /**
   * By way of 16 bits: the result is what bitsandbytes makes of the 16-bit save.
   * @param codes u8 [count · cols / 2]   @param absmax f32 [count · cols / 64]
   */
  writeNf4({ row, count }: RowRange, dtype: ActivationDType, codes: Operand, absmax: Operand): void {
    this.#around(row, count, () => this.backend.mergeRowsNf4!(this.#base.weight, this.#lora, dtype, codes, absmax, row, count));
  }

  [Symbol.dispose](): void {
    for (const tensor of this.#owned) tensor.release(`the end of ${this.#base.path}`);
  }

  /** The disk reads the next rows while these are made; these are not kept. */
  #around(row: number, count: number, make: () => void): void {
    const next = row + count;
    this.#advise(next, Math.min(count, this.rows - next), "soon");
    make();
    this.#advise(row, count, "done");
  }

  #advise(row: number, count: number, advice: "soon" | "done"): void {
    const { data, format } = this.#base.weight;
    const bytes = rowBytes(format, this.cols);
    if (count <= 0) return;
    const part = { memory: data.memory, byteOffset: data.byteOffset + row * bytes, dtype: "u8" as const, shape: [count * bytes] };
    this.backend.adviseFile?.(part, advice);
  }
}
