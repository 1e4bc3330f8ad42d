/** The tensors of a merged model for a GGUF file: names, row order and norms as llama.cpp wants them, encoded as they pass. */
import type { ActivationDType, GgufBlockFormat } from "../backend/backend.ts";
import { ExportError } from "../errors/export-error.ts";
import { GGML_TYPES, type GgmlType } from "../formats/ggml-types.ts";
import type { GgufTensorEntry } from "../formats/gguf-writer.ts";
import type { ParameterInfo } from "../models/decoder-parameters.ts";
import type { GgufHyperparameters } from "../models/gguf-metadata.ts";
import { ggufName, INTERLEAVES_HEADS, NORMS_HOLD_ONE_MORE } from "../models/gguf-names.ts";
import { storedRow } from "../models/row-order.ts";
import type { RowOrder } from "../models/stored-weights.ts";
import { bytesPerElement } from "../tensor/shape.ts";
import { Tensor } from "../tensor/tensor.ts";
import { filePieces } from "./file-pieces.ts";
import { type GgufSaveType, ggufTensorType } from "./gguf-types.ts";
import { type MergedWeights, rowRanges } from "./merged-weights.ts";

/** @throws ExportError for a parameter that the architecture has no name for */
export function ggufTensors(
  weights: MergedWeights,
  { architecture, ropeTensors }: GgufHyperparameters,
  save: GgufSaveType,
): GgufTensorEntry[] {
  const { shape, parameters } = weights;
  const tensors = parameters.map((parameter): GgufTensorEntry => {
    const name = ggufName(architecture, parameter.path);
    if (!name) {
      const problem = `llama.cpp's ${architecture} has no name for ${parameter.path}`;
      throw new ExportError(`Saving ${weights.source.path} as GGUF`, problem, "Save it as 16bit or nf4 instead.");
    }
    const order = INTERLEAVES_HEADS.has(architecture) ? rowOrder(parameter, weights) : undefined;
    if (parameter.shape.length === 1) {
      const add = NORMS_HOLD_ONE_MORE.has(architecture) && name.endsWith("norm.weight") ? 1 : 0;
      return { name, type: "F32", shape: parameter.shape, read: () => [vectorBytes(weights.vector(parameter), add, order)] };
    }
    const place = { name, cols: parameter.shape[1]!, architecture, layers: shape.layers.length, tiedHead: shape.tiedHead };
    const type = ggufTensorType(save, place);
    return { name, type, shape: parameter.shape, read: () => matrixPieces(weights, parameter, type, order) };
  });
  const rope = ropeTensors.map(({ name, values }): GgufTensorEntry => {
    return { name, type: "F32", shape: [values.length], read: () => [vectorBytes(values, 0, undefined)] };
  });
  return [...rope, ...tensors];
}

/** q and k of architectures that rotate neighbours, weight or bias. */
function rowOrder({ path }: ParameterInfo, { shape }: MergedWeights): RowOrder | undefined {
  const heads = /\.q_proj\./.test(path) ? shape.heads : /\.k_proj\./.test(path) ? shape.keyValueHeads : undefined;
  return heads === undefined ? undefined : { kind: "interleaved-heads", heads, headDim: shape.headDim };
}

function vectorBytes(values: Float32Array, add: number, order: RowOrder | undefined): Uint8Array {
  const out = new Float32Array(values.length);
  for (let i = 0; i < values.length; i++) out[order ? storedRow(order, i) : i] = values[i]! + add;
  return new Uint8Array(out.buffer);
}

async function* matrixPieces(
  weights: MergedWeights,
  parameter: ParameterInfo,
  type: GgmlType,
  order: RowOrder | undefined,
): AsyncGenerator<Uint8Array> {
  const untouched = weights.untouched(parameter);
  // A file's own rows may be copied when they stand in the order that is wanted.
  if (untouched && untouched.format.toUpperCase() === type && (untouched.rowOrder !== undefined) === (order !== undefined)) {
    yield* filePieces(untouched);
    return;
  }
  const { arena, backend, pieces } = weights;
  const { path } = parameter;
  const { blockElements, blockBytes } = GGML_TYPES[type];
  const dense = DENSE[type];
  using matrix = await weights.open(parameter);
  const { rows, cols } = matrix;
  const owned: Tensor[] = [];
  const take = (count: number, label: string) => {
    const tensor = Tensor.take(arena, dense ?? "f32", [count, cols], `${label} of ${path}`);
    owned.push(tensor);
    return tensor;
  };
  try {
    // Heads are whole in a range, so rows move within it only.
    for (const range of rowRanges(rows, cols * bytesPerElement(dense ?? "f32"), order?.headDim)) {
      const { count } = range;
      const piece = dense
        ? pieces.next(dense, [count, cols], `${path} in ${dense}`)
        : pieces.next("u8", [((count * cols) / blockElements) * blockBytes], `${type} blocks of ${path}`);
      const made = dense && !order ? piece.operand : take(count, "merged rows");
      matrix.write(range, made);
      let ordered = made;
      if (order) {
        ordered = dense ? piece.operand : take(count, "rows in llama.cpp's order");
        const index = Tensor.take(arena, "i32", [count], `row order of ${path}`);
        owned.push(index);
        backend.upload(index, rowsInOrder(order, count));
        backend.gatherRows(made, index, ordered);
      }
      if (!dense) backend.ggufEncode!(ordered, piece.operand, type.toLowerCase() as GgufBlockFormat);
      for (const tensor of owned.splice(0)) tensor.release("the end of a piece");
      yield piece.bytes;
    }
  } finally {
    for (const tensor of owned) tensor.release(`the end of ${path}`);
  }
}

const DENSE: Partial<Record<GgmlType, ActivationDType>> = { F32: "f32", F16: "f16", BF16: "bf16" };

/** Which row of `count` comes at each place, i32. */
function rowsInOrder(order: RowOrder, count: number): Uint8Array {
  const from = new Int32Array(count);
  for (let row = 0; row < count; row++) from[storedRow(order, row)] = row;
  return new Uint8Array(from.buffer);
}
