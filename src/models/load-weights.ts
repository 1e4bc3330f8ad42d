/**
 * One parameter from its place in a file to the device, in the format wanted.
 *
 * A matrix whose format may stay is mapped, not copied: its bytes are the file's own. Otherwise it is decoded and stored again: to bf16 or f32,
 * or encoded to NF4 with double quantization (QLoRA), which on a GPU happens on the GPU. Rows that a file keeps in another order (GGUF, q and
 * k) are gathered bytewise, so any quantization stays as it is.
 */
import type { Backend, WeightFormat, WeightOperand } from "../backend/backend.ts";
import { ShapeError } from "../errors/shape-error.ts";
import { readTensorBytes } from "../formats/file-bytes.ts";
import { createDynamicMap } from "../quant/dynamic-map.ts";
import { fitsFormat, NF4_BLOCK_ELEMENTS, NF4_NESTED_BLOCK, rowBytes, WEIGHT_FORMATS } from "../quant/weight-formats.ts";
import type { Arena } from "../tensor/arena.ts";
import type { MatrixParameter, VectorParameter } from "../tensor/parameter.ts";
import { Tensor } from "../tensor/tensor.ts";
import { reorderRows } from "./row-order.ts";
import { readFloats, readStoredTensor } from "./stored-tensor.ts";
import type { StoredBytes, StoredTensor } from "./stored-weights.ts";

/** How a matrix shall stay: `file` keeps what the file has. */
export type BaseFormat = "file" | "bf16" | "f32" | "nf4";

/** Rows decoded at once while a matrix is converted. */
const CONVERT_BYTES = 16 * 2 ** 20;

/** A norm's weight or a bias, f32, with the family's offset added. @throws ShapeError */
export function loadVector(arena: Arena, stored: StoredTensor, size: number, offset: number): VectorParameter {
  if (stored.shape.length !== 1 || stored.shape[0] !== size) throw new ShapeError(`Loading ${stored.name}`, [size], stored.shape);
  const values = readStoredTensor(stored);
  if (offset !== 0) for (let i = 0; i < values.length; i++) values[i]! += offset;
  const value = Tensor.take(arena, "f32", [size], stored.name);
  arena.backend.upload(value, new Uint8Array(values.buffer, values.byteOffset, values.byteLength));
  return { path: stored.name, value };
}

/** @throws ShapeError naming the parameter */
export async function loadMatrix(
  arena: Arena,
  stored: StoredTensor,
  rows: number,
  cols: number,
  format: BaseFormat,
): Promise<MatrixParameter> {
  if (stored.shape.length !== 2 || stored.shape[0] !== rows || stored.shape[1] !== cols) {
    throw new ShapeError(`Loading ${stored.name}`, [rows, cols], stored.shape, "The weights do not belong to this config.json.");
  }
  const source = mapMatrix(arena, stored);
  const wanted = format === "file" || (format === "nf4" && !fitsFormat("nf4", cols)) ? stored.format : format;
  if (wanted === stored.format) return source;
  const converted = wanted === "nf4" ? await encodeNf4(arena, source) : decodeTo(arena, source, wanted as "bf16" | "f32");
  for (const owned of source.owned) owned.release(`conversion of ${stored.name}`);
  return converted;
}

/** The matrix with its elements in the host's memory, its scales where they were. */
export function moveToHost(host: Arena, { path, weight, owned }: MatrixParameter): MatrixParameter {
  const { dtype, shape } = weight.data;
  const data = Tensor.take(host, dtype, shape, `${path} on the host`);
  host.backend.copy(weight.data, data);
  const [former, ...others] = owned;
  former!.release("the move to host memory");
  return { path, weight: { ...weight, data }, owned: [data, ...others] };
}

function mapMatrix(arena: Arena, stored: StoredTensor): MatrixParameter {
  const [rows, cols] = stored.shape as [number, number];
  const { backend } = arena;
  const { format, name } = stored;
  const data = stored.rowOrder
    ? uploadBytes(arena, reorderRows(readTensorBytes(stored), rowBytes(format, cols), stored.rowOrder), format, rows, cols, name)
    : mapBytes(backend, stored, format, rows, cols, name);
  if (!stored.nf4) return { path: name, weight: { format, rows, cols, data, path: name }, owned: [data] };

  const blocks = (rows * cols) / NF4_BLOCK_ELEMENTS;
  const { nested } = stored.nf4;
  const put = (bytes: StoredBytes, dtype: "f32" | "u8", count: number, label: string) => {
    const tensor = Tensor.take(arena, dtype, [count], `${label} of ${name}`);
    backend.upload(tensor, readTensorBytes(bytes));
    return tensor;
  };
  const scales = put(stored.nf4.scales, nested ? "u8" : "f32", blocks, "scales");
  if (!nested) return { path: name, weight: { format, rows, cols, data, scales, path: name }, owned: [data, scales] };
  const nestedScales = put(nested.scales, "f32", Math.ceil(blocks / NF4_NESTED_BLOCK), "nested scales");
  const code = Tensor.take(arena, "f32", [256], "dynamic map");
  backend.upload(code, new Uint8Array(readFloats(nested.code).buffer));
  const weight: WeightOperand = {
    format,
    rows,
    cols,
    data,
    scales,
    nested: { scales: nestedScales, code, offset: nested.offset },
    path: name,
  };
  return { path: name, weight, owned: [data, scales, nestedScales, code] };
}

function mapBytes(backend: Backend, stored: StoredBytes, format: WeightFormat, rows: number, cols: number, name: string): Tensor {
  const memory = backend.loadFile(stored.path, stored.byteOffset, stored.byteLength, name);
  const [dtype, shape] = storageOf(format, rows, cols);
  return Tensor.over(memory, 0, dtype, shape, name, () => backend.release(memory));
}

function uploadBytes(arena: Arena, bytes: Uint8Array, format: WeightFormat, rows: number, cols: number, name: string): Tensor {
  const [dtype, shape] = storageOf(format, rows, cols);
  const tensor = Tensor.take(arena, dtype, shape, name);
  arena.backend.upload(tensor, bytes);
  return tensor;
}

/** Element type and shape of a format's data array. */
function storageOf(format: WeightFormat, rows: number, cols: number): ["f32" | "bf16" | "f16" | "u8", readonly number[]] {
  if (format === "f32" || format === "bf16" || format === "f16") return [format, [rows, cols]];
  const { blockElements, blockBytes } = WEIGHT_FORMATS[format];
  return ["u8", [((rows * cols) / blockElements) * blockBytes]];
}

function decodeTo(arena: Arena, source: MatrixParameter, format: "bf16" | "f32"): MatrixParameter {
  const { rows, cols } = source.weight;
  const data = Tensor.take(arena, format, [rows, cols], source.path);
  const step = Math.max(1, Math.floor(CONVERT_BYTES / (4 * cols)));
  for (let row = 0; row < rows; row += step) {
    const count = Math.min(step, rows - row);
    arena.backend.weightDecode(source.weight, data.view([count, cols], row * cols), row, count);
  }
  return { path: source.path, weight: { format, rows, cols, data, path: source.path }, owned: [data] };
}

/**
 * The matrix in E4M3, its former storage released: codes and a power-of-two scale a row. An NF4 matrix keeps NF4's values, rounded once more.
 * @throws ShapeError when its rows or columns are no multiple of 16
 */
export function toE4m3(arena: Arena, { path, weight: source, owned }: MatrixParameter): MatrixParameter {
  const { backend } = arena;
  const { rows, cols } = source;
  const data = Tensor.take(arena, "u8", [rows, cols], `E4M3 codes of ${path}`);
  const scales = Tensor.take(arena, "f32", [rows], `E4M3 scales of ${path}`);
  const weight: WeightOperand = { format: "e4m3", rows, cols, data, scales, path };
  const step = Math.min(rows, Math.max(1, Math.floor(CONVERT_BYTES / (4 * cols))));
  const dense = Tensor.take(arena, "f32", [step, cols], `${path}, decoded`);
  for (let row = 0; row < rows; row += step) {
    const count = Math.min(step, rows - row);
    const piece = dense.view([count, cols], 0);
    backend.weightDecode(source, piece, row, count);
    backend.fp8Encode(piece, data.view([count, cols], row * cols), scales.view([count], row));
  }
  dense.release("E4M3 encoding");
  for (const tensor of owned) tensor.release(`conversion of ${path}`);
  return { path, weight, owned: [data, scales] };
}

/** NF4 with double quantization: codes, one u8 scale for 64 elements, one f32 for 256 scales, one offset. Source: arXiv:2305.14314. */
async function encodeNf4(arena: Arena, source: MatrixParameter): Promise<MatrixParameter> {
  const { backend } = arena;
  const { rows, cols } = source.weight;
  const count = rows * cols;
  const blocks = Math.ceil(count / NF4_BLOCK_ELEMENTS);
  const take = (dtype: "f32" | "u8", size: number, label: string) => Tensor.take(arena, dtype, [size], `${label} of ${source.path}`);

  const codes = take("u8", count / 2, "NF4 codes");
  const absmax = take("f32", blocks, "absmax");
  const step = Math.max(1, Math.floor(CONVERT_BYTES / (4 * cols)));
  for (let row = 0; row < rows; row += step) {
    const size = Math.min(step, rows - row) * cols;
    const dense = denseRows(arena, source, row, size / cols);
    backend.nf4Encode(
      dense,
      codes.view([size / 2], (row * cols) / 2),
      absmax.view([size / NF4_BLOCK_ELEMENTS], (row * cols) / NF4_BLOCK_ELEMENTS),
    );
    if (dense.memory === source.weight.data.memory) backend.adviseFile?.(dense, "done");
    else dense.release("NF4 encoding");
  }

  const scales = take("u8", blocks, "scales");
  const nestedScales = take("f32", Math.ceil(blocks / NF4_NESTED_BLOCK), "nested scales");
  const code = take("f32", 256, "dynamic map");
  const offset = take("f32", 1, "nested offset");
  backend.upload(code, new Uint8Array(createDynamicMap(true).buffer));
  backend.nf4Nest(absmax, code, scales, nestedScales, offset);
  absmax.release("double quantization");
  const offsetBytes = await backend.download(offset);
  offset.release("double quantization");
  const nested = { scales: nestedScales, code, offset: new DataView(offsetBytes.buffer, offsetBytes.byteOffset).getFloat32(0, true) };
  const weight: WeightOperand = { format: "nf4", rows, cols, data: codes, scales, nested, path: source.path };
  return { path: source.path, weight, owned: [codes, scales, nestedScales, code] };
}

/** Rows of a matrix, dense: a window of itself, or decoded to f32. */
function denseRows(arena: Arena, source: MatrixParameter, row: number, count: number): Tensor {
  const { format, cols, data } = source.weight;
  if (format === "f32" || format === "bf16" || format === "f16") return (data as Tensor).view([count, cols], row * cols);
  const dense = Tensor.take(arena, "f32", [count, cols], `${source.path}, decoded`);
  arena.backend.weightDecode(source.weight, dense, row, count);
  return dense;
}
