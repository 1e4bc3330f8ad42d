/**
 * A base with its adapter merged in, read a few rows at a time: `W + scale · B A`, the product by the backend, the sum in f32. Nothing is whole but
 * what a file maps, so a model of any size passes through a few dozen megabytes.
 *
 * W is the file's own (`original`) or what training saw, the weights encoded to 4 bits and decoded again (`trained`).
 */
import type { Backend } from "../backend/backend.ts";
import { ShapeError } from "../errors/shape-error.ts";
import { decoderParameters, type ParameterInfo } from "../models/decoder-parameters.ts";
import type { DecoderShape } from "../models/decoder-shape.ts";
import { find } from "../models/load-model.ts";
import { type BaseFormat, loadMatrix } from "../models/load-weights.ts";
import { readStoredTensor } from "../models/stored-tensor.ts";
import type { StoredTensor, WeightSource } from "../models/stored-weights.ts";
import type { Arena } from "../tensor/arena.ts";
import type { MatrixParameter } from "../tensor/parameter.ts";
import { Tensor } from "../tensor/tensor.ts";
import type { Delta } from "./combine-adapters.ts";

/** f32 rows that exist at once. */
const CHUNK_BYTES = 4 * 2 ** 20;

/** Rows [row, row + count) of a merged matrix, f32 [count, cols]; valid until the next piece is asked for. */
export interface MatrixPiece {
  readonly row: number;
  readonly count: number;
  readonly values: Tensor;
}

export class MergedWeights {
  readonly source: WeightSource;
  readonly shape: DecoderShape;
  readonly arena: Arena;
  readonly parameters: readonly ParameterInfo[];
  readonly #deltas: ReadonlyMap<string, Delta>;
  readonly #linears: BaseFormat;

  /** @param linears how the base's linears are taken: `file`, or `nf4` for what a QLoRA run trained against */
  constructor(arena: Arena, source: WeightSource, shape: DecoderShape, deltas: readonly Delta[], linears: BaseFormat) {
    this.arena = arena;
    this.source = source;
    this.shape = shape;
    this.parameters = decoderParameters(shape);
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

  /** @param multiple pieces start and end at multiples of this many rows */
  async *matrix(parameter: ParameterInfo, multiple = 1): AsyncGenerator<MatrixPiece> {
    const { path, role } = parameter;
    const [rows, cols] = parameter.shape as [number, number];
    const base = await loadMatrix(this.arena, find(this.source, path), rows, cols, role === "linear" ? this.#linears : "file");
    const delta = this.#deltas.get(path);
    const owned: Tensor[] = [];
    const take = (dtype: "f32", shape: number[], label: string) => {
      const tensor = Tensor.take(this.arena, dtype, shape, `${label} of ${path}`);
      owned.push(tensor);
      return tensor;
    };
    try {
      const step = Math.min(rows, Math.max(1, Math.floor(CHUNK_BYTES / (4 * cols * multiple))) * multiple);
      const values = take("f32", [step, cols], "merged rows");
      const update = delta && this.#updater(delta, step, take);
      for (let row = 0; row < rows; row += step) {
        const count = Math.min(step, rows - row);
        const piece = values.view([count, cols]);
        this.backend.weightDecode(base.weight, piece, row, count);
        update?.(row, count, piece);
        yield { row, count, values: piece };
      }
    } finally {
      for (const tensor of owned) tensor.release(`the end of ${path}`);
      releaseAll(base, path);
    }
  }

  /** Adds rows of `scale · B A`: B's rows are the inputs of a linear whose weight is Aᵀ. */
  #updater({ a, b, rank, scale, path }: Delta, step: number, take: (dtype: "f32", shape: number[], label: string) => Tensor) {
    const cols = a.length / rank;
    const transposed = new Float32Array(a.length);
    for (let r = 0; r < rank; r++) for (let c = 0; c < cols; c++) transposed[c * rank + r] = a[r * cols + c]!;
    const weight = take("f32", [cols, rank], "transposed A");
    const inputs = take("f32", [step, rank], "rows of B");
    const outputs = take("f32", [step, cols], "rows of B A");
    const { backend } = this;
    backend.upload(weight, bytesOf(transposed));
    return (row: number, count: number, target: Tensor) => {
      const [x, y] = [inputs.view([count, rank]), outputs.view([count, cols])];
      backend.upload(x, bytesOf(b.subarray(row * rank, (row + count) * rank)));
      const part = { weight: { format: "f32" as const, rows: cols, cols: rank, data: weight, path } };
      backend.linearForward({ parts: [part], dropout: 0 }, x, y, null);
      backend.add(y, target, scale);
    };
  }
}

const bytesOf = (array: Float32Array): Uint8Array => new Uint8Array(array.buffer, array.byteOffset, array.byteLength);

function releaseAll(parameter: MatrixParameter, path: string): void {
  for (const owned of parameter.owned) owned.release(`the end of ${path}`);
}
