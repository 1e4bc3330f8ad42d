/** From an encoder's files to an encoder on a device: every parameter of the shape is found, checked, and stored as asked. */
import type { ActivationDType } from "../backend/backend.ts";
import { MissingWeightError } from "../errors/missing-weight-error.ts";
import { ShapeError } from "../errors/shape-error.ts";
import { LinearGroup } from "../nn/linear-group.ts";
import type { Arena } from "../tensor/arena.ts";
import type { LayerNormParameters } from "../tensor/ops/layer-norm.ts";
import type { MatrixParameter, VectorParameter } from "../tensor/parameter.ts";
import { Tensor } from "../tensor/tensor.ts";
import { Encoder, type EncoderLayer, type EncoderWeights } from "./encoder.ts";
import { type BaseFormat, loadMatrix, loadVector } from "./load-weights.ts";
import type { EncoderSource } from "./stored-encoder.ts";
import { readStoredTensor } from "./stored-tensor.ts";
import type { StoredTensor } from "./stored-weights.ts";

/** @throws MissingWeightError, ShapeError, OutOfMemoryError */
export async function loadEncoder(arena: Arena, source: EncoderSource, compute: ActivationDType): Promise<Encoder> {
  const owned: { release(by?: string): void }[] = [];
  try {
    return new Encoder(source.shape, arena, await readWeights(arena, source, compute, owned), compute, owned);
  } catch (error) {
    for (const entry of owned) entry.release("a failed load");
    throw error;
  }
}

async function readWeights(
  arena: Arena,
  source: EncoderSource,
  compute: ActivationDType,
  owned: { release(by?: string): void }[],
): Promise<EncoderWeights> {
  const { hiddenSize: C, feedForward: F, vocabularySize, positionRows, tokenTypes, layers } = source.shape;
  const find = (path: string): StoredTensor => {
    const stored = source.tensor(path);
    if (!stored) throw new MissingWeightError(source.path, path);
    return stored;
  };
  const own = <T extends { release(by?: string): void }>(entry: T): T => {
    owned.push(entry);
    return entry;
  };
  const matrix = async (path: string, rows: number, cols: number, format: BaseFormat): Promise<MatrixParameter> => {
    const parameter = await loadMatrix(arena, find(path), rows, cols, format);
    for (const entry of parameter.owned) own(entry);
    return parameter;
  };
  const vector = (path: string, size: number): VectorParameter => {
    const parameter = loadVector(arena, find(path), size, 0);
    own(parameter.value);
    return parameter;
  };
  const norm = (path: string): LayerNormParameters => ({ weight: vector(`${path}.weight`, C), bias: vector(`${path}.bias`, C) });
  const linear = async (paths: readonly string[], rows: number, cols: number): Promise<LinearGroup> => {
    const parts = [];
    for (const path of paths) {
      const stored = find(`${path}.weight`);
      const isDense = stored.format === "f32" || stored.format === "bf16" || stored.format === "f16";
      parts.push({ parameter: await matrix(`${path}.weight`, rows, cols, !isDense ? "file" : compute === "f32" ? "f32" : "bf16") });
    }
    const biases = paths.map((path) => find(`${path}.bias`));
    return new LinearGroup(parts, loadBiases(arena, biases, rows, own));
  };
  const layer = async (index: number): Promise<EncoderLayer> => {
    const path = `encoder.layer.${index}`;
    return {
      queryKeyValue: await linear(
        ["query", "key", "value"].map((name) => `${path}.attention.self.${name}`),
        C,
        C,
      ),
      attentionOutput: await linear([`${path}.attention.output.dense`], C, C),
      attentionNorm: norm(`${path}.attention.output.LayerNorm`),
      intermediate: await linear([`${path}.intermediate.dense`], F, C),
      output: await linear([`${path}.output.dense`], C, F),
      outputNorm: norm(`${path}.output.LayerNorm`),
    };
  };
  const weights = {
    words: await matrix("embeddings.word_embeddings.weight", vocabularySize, C, "file"),
    positions: await matrix("embeddings.position_embeddings.weight", positionRows, C, "file"),
    types: tokenTypes > 0 ? await matrix("embeddings.token_type_embeddings.weight", tokenTypes, C, "file") : undefined,
    embeddingNorm: norm("embeddings.LayerNorm"),
  };
  const loaded: EncoderLayer[] = [];
  for (let index = 0; index < layers; index++) loaded.push(await layer(index));
  return { ...weights, layers: loaded };
}

/** Biases of a group's parts side by side, f32 [ΣOut]. */
function loadBiases(arena: Arena, biases: readonly StoredTensor[], size: number, own: (tensor: Tensor) => Tensor): VectorParameter {
  const values = new Float32Array(biases.length * size);
  for (const [index, bias] of biases.entries()) {
    if (bias.shape.length !== 1 || bias.shape[0] !== size) throw new ShapeError(`Loading ${bias.name}`, [size], bias.shape);
    values.set(readStoredTensor(bias), index * size);
  }
  const path = biases.map(({ name }) => name).join("|");
  const value = own(Tensor.take(arena, "f32", [values.length], path));
  arena.backend.upload(value, new Uint8Array(values.buffer));
  return { path, value };
}
