/**
 * From a weight source to a model on a device: every parameter of the shape table is found, checked, and stored as asked.
 */
import type { ActivationDType } from "../backend/backend.ts";
import { CancelledError } from "../errors/cancelled-error.ts";
import { MissingWeightError } from "../errors/missing-weight-error.ts";
import { LinearGroup } from "../nn/linear-group.ts";
import type { Arena } from "../tensor/arena.ts";
import type { MatrixParameter, VectorParameter } from "../tensor/parameter.ts";
import { Tensor } from "../tensor/tensor.ts";
import { CausalLM } from "./causal-lm.ts";
import type { DecoderLayer, DecoderWeights } from "./decoder.ts";
import { EMBEDDING_PATH, FINAL_NORM_PATH, HEAD_PATH, layerLinears, layerNorms, linearInputs } from "./decoder-parameters.ts";
import type { DecoderShape, LinearGroupName } from "./decoder-shape.ts";
import { type BaseFormat, loadMatrix, loadVector, moveToHost, toE4m3 } from "./load-weights.ts";
import { readDecoderShape } from "./registry.ts";
import type { StoredTensor, WeightSource } from "./stored-weights.ts";

export interface LoadOptions {
  /** How the linears stay. Embedding and head stay as the file has them. */
  readonly base: BaseFormat;
  readonly compute: ActivationDType;
  /** The linears go on to E4M3 from there, and are multiplied in 8 bits. @default false */
  readonly fp8?: boolean;
  /** `host`: its rows are gathered over the bus, where the device has memory of its own. Not for a tied head. @default "device" */
  readonly embedding?: "device" | "host";
  /** Progress: parameters loaded so far and in all. */
  readonly onProgress?: (done: number, total: number) => void;
  readonly isCancelled?: () => boolean;
}

/** Makes a decoder's parameters by name; loading from a file and laying out for all-weights training differ only in this. */
export interface ParameterMaker {
  matrix(path: string, rows: number, cols: number, role: "embedding" | "head" | "linear"): Promise<MatrixParameter> | MatrixParameter;
  norm(path: string, size: number): VectorParameter;
  /** Biases of a group's parts side by side, f32 [ΣOut]. */
  biases(parts: readonly LinearName[]): VectorParameter;
}

export interface LinearName {
  /** Without `.weight`. */
  readonly path: string;
  readonly rows: number;
}

/** @throws MissingWeightError, ShapeError, UnknownModelError, ConfigValueError, OutOfMemoryError */
export async function loadModel(arena: Arena, source: WeightSource, options: LoadOptions): Promise<CausalLM> {
  const shape = readDecoderShape(source.config, source.path);
  const owned: { release(by?: string): void }[] = [];
  try {
    const maker: ParameterMaker = {
      matrix: async (path, rows, cols, role) => {
        const matrix = await loadMatrix(arena, find(source, path), rows, cols, role === "linear" ? options.base : "file");
        if (role === "linear" && options.fp8) return toE4m3(arena, matrix);
        const moves = role === "embedding" && options.embedding === "host" && !shape.tiedHead && arena.host !== undefined;
        return moves ? moveToHost(arena.host, matrix) : matrix;
      },
      norm: (path, size) => loadVector(arena, find(source, path), size, shape.normWeightOffset),
      biases: (parts) => loadBiases(arena, source, parts),
    };
    const weights = await buildDecoder(shape, maker, owned, options);
    return new CausalLM(shape, arena, weights, options.compute, owned);
  } catch (error) {
    for (const entry of owned) entry.release("a failed load");
    throw error;
  }
}

/** @throws MissingWeightError */
export function find(source: WeightSource, path: string): StoredTensor {
  const stored = source.tensor(path);
  if (!stored) throw new MissingWeightError(source.path, path);
  return stored;
}

export async function buildDecoder(
  shape: DecoderShape,
  make: ParameterMaker,
  owned: { release(by?: string): void }[],
  progress: Pick<LoadOptions, "onProgress" | "isCancelled"> = {},
): Promise<DecoderWeights> {
  const { hiddenSize, headDim, vocabularySize } = shape;
  const inputs = linearInputs(shape);
  const total = shape.layers.length + 2;
  let done = 0;
  const step = () => {
    if (progress.isCancelled?.()) throw new CancelledError("Loading the model");
    progress.onProgress?.(++done, total);
  };
  const matrix = async (path: string, rows: number, cols: number, role: "embedding" | "head" | "linear") => {
    const parameter = await make.matrix(path, rows, cols, role);
    owned.push(...parameter.owned);
    return parameter;
  };
  const vector = (parameter: VectorParameter) => {
    owned.push(parameter.value);
    return parameter;
  };
  const norm = (path: string, size: number) => vector(make.norm(path, size));
  const optionalNorm = (path: string | undefined, size: number) => (path === undefined ? undefined : norm(path, size));
  const group = async (name: LinearGroupName, parts: readonly LinearName[]) => {
    const parameters: MatrixParameter[] = [];
    for (const { path, rows } of parts) parameters.push(await matrix(`${path}.weight`, rows, inputs[name], "linear"));
    const bias = shape.biases[name] ? vector(make.biases(parts)) : undefined;
    return new LinearGroup(
      parameters.map((parameter) => ({ parameter })),
      bias,
    );
  };

  const embedding = await matrix(EMBEDDING_PATH, vocabularySize, hiddenSize, "embedding");
  step();
  const layers: DecoderLayer[] = [];
  for (const index of shape.layers.keys()) {
    const linears = layerLinears(shape, index);
    const norms = layerNorms(shape, index);
    layers.push({
      attentionNorm: norm(norms.attention, hiddenSize),
      queryKeyValue: await group("queryKeyValue", linears.queryKeyValue),
      queryNorm: optionalNorm(norms.query, headDim),
      keyNorm: optionalNorm(norms.key, headDim),
      attentionOutput: await group("attentionOutput", [linears.attentionOutput]),
      attentionOutputNorm: optionalNorm(norms.attentionOutput, hiddenSize),
      mlpNorm: norm(norms.mlp, hiddenSize),
      gateUp: await group("gateUp", linears.gateUp),
      down: await group("down", [linears.down]),
      mlpOutputNorm: optionalNorm(norms.mlpOutput, hiddenSize),
    });
    step();
  }
  const finalNorm = norm(FINAL_NORM_PATH, hiddenSize);
  const head = shape.tiedHead ? embedding : await matrix(HEAD_PATH, vocabularySize, hiddenSize, "head");
  step();
  return { embedding, layers, finalNorm, head };
}

function loadBiases(arena: Arena, source: WeightSource, parts: readonly LinearName[]): VectorParameter {
  const path = parts.map((part) => `${part.path}.bias`).join("|");
  const joined = Tensor.take(arena, "f32", [parts.reduce((sum, { rows }) => sum + rows, 0)], path);
  let offset = 0;
  for (const part of parts) {
    const { value } = loadVector(arena, find(source, `${part.path}.bias`), part.rows, 0);
    arena.backend.copy(value, joined.view([part.rows], offset));
    value.release("joining biases");
    offset += part.rows;
  }
  return { path, value: joined };
}
