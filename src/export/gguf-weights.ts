/** The tensors of a merged model for a GGUF file: names, row order and norms as llama.cpp wants them, encoded as they pass. */
import type { GgufBlockFormat } from "../backend/backend.ts";
import { ExportError } from "../errors/export-error.ts";
import { GGML_TYPES, type GgmlType } from "../formats/ggml-types.ts";
import type { GgufTensorEntry } from "../formats/gguf-writer.ts";
import type { ParameterInfo } from "../models/decoder-parameters.ts";
import type { GgufHyperparameters } from "../models/gguf-metadata.ts";
import { ggufName, INTERLEAVES_HEADS, NORMS_HOLD_ONE_MORE } from "../models/gguf-names.ts";
import { storedRow } from "../models/row-order.ts";
import type { RowOrder } from "../models/stored-weights.ts";
import { Tensor } from "../tensor/tensor.ts";
import { filePieces } from "./file-pieces.ts";
import { type GgufSaveType, ggufTensorType } from "./gguf-types.ts";
import type { MergedWeights } from "./merged-weights.ts";

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
  const { arena, backend } = weights;
  const { path } = parameter;
  const cols = parameter.shape[1]!;
  const { blockElements, blockBytes } = GGML_TYPES[type];
  for await (const { values, count } of weights.matrix(parameter, order?.headDim ?? 1)) {
    const owned: Tensor[] = [];
    const take = (dtype: "f32" | "f16" | "bf16" | "u8" | "i32", shape: number[], label: string) => {
      const tensor = Tensor.take(arena, dtype, shape, `${label} of ${path}`);
      owned.push(tensor);
      return tensor;
    };
    try {
      let rows = values;
      if (order) {
        // Heads are whole in a piece, so rows move within it only.
        const from = new Int32Array(count);
        for (let row = 0; row < count; row++) from[storedRow(order, row)] = row;
        const index = take("i32", [count], "row order");
        backend.upload(index, new Uint8Array(from.buffer));
        rows = take("f32", [count, cols], "rows in llama.cpp's order");
        backend.gatherRows(values, index, rows);
      }
      if (type === "F32") yield await backend.download(rows);
      else if (type === "F16" || type === "BF16") {
        const half = take(type === "F16" ? "f16" : "bf16", [count, cols], "16-bit rows");
        backend.convert(rows, half);
        yield await backend.download(half);
      } else {
        const blocks = take("u8", [((count * cols) / blockElements) * blockBytes], `${type} blocks`);
        backend.ggufEncode!(rows, blocks, type.toLowerCase() as GgufBlockFormat);
        yield await backend.download(blocks);
      }
    } finally {
      for (const tensor of owned) tensor.release("the end of a piece");
    }
  }
}
