/**
 * The tensors of a merged model for a Hugging Face folder: 16-bit, or with its linears in bitsandbytes' NF4 (Dettmers et al. 2023,
 * arXiv:2305.14314). Layout of the parts: `QuantState.as_dict` of bitsandbytes 0.50, as `bitsandbytes-tensor.ts` reads it.
 */
import type { TensorGroup, TensorPiece } from "../formats/safetensors-groups.ts";
import type { ParameterInfo } from "../models/decoder-parameters.ts";
import { createDynamicMap } from "../quant/dynamic-map.ts";
import { f32ToBf16, f32ToF16 } from "../quant/half-floats.ts";
import { NF4_TABLE } from "../quant/nf4.ts";
import { fitsFormat, NF4_BLOCK_ELEMENTS, NF4_NESTED_BLOCK } from "../quant/weight-formats.ts";
import { Tensor } from "../tensor/tensor.ts";
import { filePieces } from "./file-pieces.ts";
import { type MergedWeights, rowRanges } from "./merged-weights.ts";

export type HalfDType = "bf16" | "f16";

/** bitsandbytes' blob is JSON; a fixed length, filled with spaces, lets its place be known before its offset is. */
const STATE_BYTES = 256;

export const halfDTypeOf = (weights: MergedWeights): HalfDType =>
  weights.source.tensor("model.norm.weight") !== undefined && weights.source.tensor("model.embed_tokens.weight")?.format === "f16"
    ? "f16"
    : "bf16";

export function denseGroups(weights: MergedWeights, dtype: HalfDType): TensorGroup[] {
  return weights.parameters.map((parameter) => denseGroup(weights, parameter, dtype));
}

/** Linears in NF4 where their rows are whole blocks; everything else in 16 bits. */
export function nf4Groups(weights: MergedWeights, dtype: HalfDType): TensorGroup[] {
  return weights.parameters.map((parameter) =>
    isNf4(parameter) ? nf4Group(weights, parameter, dtype) : denseGroup(weights, parameter, dtype),
  );
}

/** Linears that stay in 16 bits, as module names, for `llm_int8_skip_modules`. */
export function skippedModules(weights: MergedWeights): string[] {
  const linears = weights.parameters.filter((parameter) => parameter.role === "linear" && !isNf4(parameter));
  return ["lm_head", ...linears.map(({ path }) => path.replace(/\.weight$/, ""))];
}

const isNf4 = ({ role, shape }: ParameterInfo): boolean => role === "linear" && fitsFormat("nf4", shape[1]!);

function denseGroup(weights: MergedWeights, parameter: ParameterInfo, dtype: HalfDType): TensorGroup {
  const { path, shape } = parameter;
  return {
    entries: [{ name: path, dtype: dtype === "bf16" ? "BF16" : "F16", shape }],
    async *read() {
      let offset = 0;
      const place = (bytes: Uint8Array): TensorPiece => {
        const piece = { name: path, offset, bytes };
        offset += bytes.length;
        return piece;
      };
      if (shape.length === 1) {
        const values = weights.vector(parameter);
        const halves = dtype === "bf16" ? f32ToBf16(values) : f32ToF16(values);
        yield place(new Uint8Array(halves.buffer));
        return;
      }
      const untouched = weights.untouched(parameter);
      if (untouched?.format === dtype && !untouched.rowOrder) {
        for (const bytes of filePieces(untouched)) yield place(bytes);
        return;
      }
      using matrix = await weights.open(parameter);
      for (const range of rowRanges(matrix.rows, 2 * matrix.cols)) {
        const piece = weights.pieces.next(dtype, [range.count, matrix.cols], `${path} in ${dtype}`);
        matrix.write(range, piece.operand);
        yield place(piece.bytes);
      }
    },
  };
}

function nf4Group(weights: MergedWeights, parameter: ParameterInfo, dtype: HalfDType): TensorGroup {
  const { path } = parameter;
  const [rows, cols] = parameter.shape as [number, number];
  const blocks = (rows * cols) / NF4_BLOCK_ELEMENTS;
  const nests = Math.ceil(blocks / NF4_NESTED_BLOCK);
  const names = {
    absmax: `${path}.absmax`,
    nested: `${path}.nested_absmax`,
    nestedMap: `${path}.nested_quant_map`,
    map: `${path}.quant_map`,
    state: `${path}.quant_state.bitsandbytes__nf4`,
  };
  const state = (offset: number) => stateBytes([rows, cols], dtype, offset);
  return {
    entries: [
      { name: path, dtype: "U8", shape: [(rows * cols) / 2, 1] },
      { name: names.absmax, dtype: "U8", shape: [blocks] },
      { name: names.nested, dtype: "F32", shape: [nests] },
      { name: names.nestedMap, dtype: "F32", shape: [256] },
      { name: names.map, dtype: "F32", shape: [16] },
      { name: names.state, dtype: "U8", shape: [STATE_BYTES] },
    ],
    async *read() {
      yield { name: names.map, offset: 0, bytes: bytesOf(NF4_TABLE) };
      const untouched = weights.untouched(parameter);
      const kept = untouched?.nf4?.nested;
      if (untouched?.nf4 && kept) {
        const copies: [string, Parameters<typeof filePieces>[0]][] = [
          [path, untouched],
          [names.absmax, untouched.nf4.scales],
          [names.nested, kept.scales],
          [names.nestedMap, kept.code],
        ];
        for (const [name, stored] of copies) {
          let offset = 0;
          for (const bytes of filePieces(stored)) {
            yield { name, offset, bytes };
            offset += bytes.length;
          }
        }
        yield { name: names.state, offset: 0, bytes: state(kept.offset) };
        return;
      }
      const { arena, backend } = weights;
      const take = (type: "f32" | "u8", shape: number[], label: string) => Tensor.take(arena, type, shape, `${label} of ${path}`);
      const absmax = take("f32", [blocks], "absmax");
      const owned = [absmax];
      try {
        using matrix = await weights.open(parameter);
        for (const range of rowRanges(rows, cols / 2)) {
          const [start, size] = [range.row * cols, range.count * cols];
          const codes = weights.pieces.next("u8", [size / 2], `codes of ${path}`);
          matrix.writeNf4(range, dtype, codes.operand, absmax.view([size / NF4_BLOCK_ELEMENTS], start / NF4_BLOCK_ELEMENTS));
          yield { name: path, offset: start / 2, bytes: codes.bytes };
        }
        const map = createDynamicMap(true);
        const code = take("f32", [256], "dynamic map");
        const scales = take("u8", [blocks], "scales");
        const nested = take("f32", [nests], "nested scales");
        const offset = take("f32", [1], "nested offset");
        owned.push(code, scales, nested, offset);
        backend.upload(code, bytesOf(map));
        backend.nf4Nest(absmax, code, scales, nested, offset);
        yield { name: names.absmax, offset: 0, bytes: await backend.download(scales) };
        yield { name: names.nested, offset: 0, bytes: await backend.download(nested) };
        yield { name: names.nestedMap, offset: 0, bytes: bytesOf(map) };
        const mean = await backend.download(offset);
        yield { name: names.state, offset: 0, bytes: state(new DataView(mean.buffer, mean.byteOffset).getFloat32(0, true)) };
      } finally {
        for (const tensor of owned) tensor.release(`the end of ${path}`);
      }
    },
  };
}

function stateBytes(shape: readonly number[], dtype: HalfDType, offset: number): Uint8Array {
  const state = {
    quant_type: "nf4",
    blocksize: NF4_BLOCK_ELEMENTS,
    dtype: dtype === "bf16" ? "bfloat16" : "float16",
    shape,
    nested_blocksize: NF4_NESTED_BLOCK,
    nested_dtype: "float32",
    nested_offset: offset,
  };
  return new Uint8Array(Buffer.from(JSON.stringify(state).padEnd(STATE_BYTES, " "), "utf8"));
}

const bytesOf = (array: Float32Array): Uint8Array =>
  new Uint8Array(array.buffer.slice(array.byteOffset, array.byteOffset + array.byteLength));
