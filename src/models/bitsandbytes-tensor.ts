/**
 * Folders that transformers + bitsandbytes quantized to NF4: beside each u8 weight stand its scales, tables and a JSON blob as tensors.
 *
 *   X.weight                                    u8: two codes a byte
 *   X.weight.absmax                             f32 [blocks], or u8 [blocks] under double quantization
 *   X.weight.nested_absmax, .nested_quant_map   f32, double quantization only
 *   X.weight.quant_map                          the 16 values
 *   X.weight.quant_state.bitsandbytes__nf4      JSON: shape, blocksize, nested_offset …
 * Source: `QuantState.as_dict` of bitsandbytes 0.50.
 */
import { FileFormatError } from "../errors/file-format-error.ts";
import { readTensorBytes } from "../formats/file-bytes.ts";
import type { SafetensorsView } from "../formats/safetensors-reader.ts";
import { isCount, isObject, parseUntrustedJson } from "../formats/untrusted-json.ts";
import { NF4_TABLE } from "../quant/nf4.ts";
import { NF4_BLOCK_ELEMENTS, NF4_NESTED_BLOCK } from "../quant/weight-formats.ts";
import { readFloats } from "./stored-tensor.ts";
import type { StoredNf4Scales, StoredTensor } from "./stored-weights.ts";

const STATE = ".quant_state.bitsandbytes__";
const COMPANION = /\.(absmax|quant_map|nested_absmax|nested_quant_map|quant_state\.bitsandbytes__[a-z0-9]+)$/;
/** The blob is some 200 bytes long. */
const MAX_STATE_BYTES = 65_536;

export const isBitsAndBytesCompanion = (name: string): boolean => COMPANION.test(name);

/** A folder quantized by another method is refused at once, by its config. @throws FileFormatError */
export function refuseOtherQuantization(config: Readonly<Record<string, unknown>>, configPath: string): void {
  const quantization = config.quantization_config;
  if (!isObject(quantization)) return;
  const { quant_method: method, load_in_8bit: eight, bnb_4bit_quant_type: type } = quantization;
  const isNf4 = method === "bitsandbytes" && eight !== true && (type === undefined || type === "nf4");
  if (isNf4) return;
  throw new FileFormatError({
    format: "config",
    path: configPath,
    where: "quantization_config",
    expected: "bitsandbytes with nf4",
    found:
      method === "bitsandbytes"
        ? eight === true
          ? "bitsandbytes with 8 bits"
          : `bitsandbytes with ${String(type)}`
        : `method ${JSON.stringify(method)}`,
    next: "Use the model's 16-bit version; remora makes the 4-bit one itself.",
  });
}

/** Undefined when the tensor is not one of bitsandbytes'. @throws FileFormatError when its parts do not fit together */
export function describeBitsAndBytesTensor(
  name: string,
  view: SafetensorsView,
  views: ReadonlyMap<string, SafetensorsView>,
): StoredTensor | undefined {
  const fail = (expected: string, found: string, part = name): never => {
    throw new FileFormatError({ format: "bitsandbytes tensor in", path: view.path, where: `"${part}"`, expected, found });
  };
  const state = views.get(`${name}${STATE}nf4`);
  if (!state) {
    if (views.has(`${name}${STATE}fp4`)) return fail("NF4", "FP4, which remora does not read");
    return undefined;
  }
  const { shape, nestedOffset } = readState(state, fail);
  const [rows, cols] = shape;
  const count = rows * cols;
  if (cols % NF4_BLOCK_ELEMENTS !== 0) return fail(`rows that are a multiple of ${NF4_BLOCK_ELEMENTS}`, `[${rows}, ${cols}]`);
  if (view.byteLength !== count / 2) return fail(`${count / 2} bytes for [${rows}, ${cols}]`, `${view.byteLength}`);

  const part = (suffix: string, dtype: string, elements: number): SafetensorsView => {
    const found = views.get(`${name}.${suffix}`);
    const size = found?.shape.reduce((product, each) => product * each, 1);
    if (found?.dtype === dtype && size === elements) return found;
    return fail(`${dtype} [${elements}]`, found ? `${found.dtype} [${found.shape.join(", ")}]` : "nothing", `${name}.${suffix}`);
  };
  const table = readFloats(part("quant_map", "F32", 16));
  if (!table.every((value, i) => value === NF4_TABLE[i])) return fail("the 16 values of NF4", "others", `${name}.quant_map`);
  const blocks = count / NF4_BLOCK_ELEMENTS;
  const nf4: StoredNf4Scales =
    nestedOffset === undefined
      ? { scales: part("absmax", "F32", blocks) }
      : {
          scales: part("absmax", "U8", blocks),
          nested: {
            scales: part("nested_absmax", "F32", Math.ceil(blocks / NF4_NESTED_BLOCK)),
            code: part("nested_quant_map", "F32", 256),
            offset: nestedOffset,
          },
        };
  const { path, byteOffset, byteLength } = view;
  return { name, path, byteOffset, byteLength, format: "nf4", shape: [rows, cols], storedOffset: 0, nf4 };
}

function readState(view: SafetensorsView, fail: (expected: string, found: string, part: string) => never) {
  const refuse = (expected: string, found: unknown): never => fail(expected, JSON.stringify(found) ?? "nothing", view.name);
  if (view.dtype !== "U8" || view.byteLength > MAX_STATE_BYTES)
    return fail(`U8 of at most ${MAX_STATE_BYTES} bytes`, `${view.dtype} of ${view.byteLength}`, view.name);
  let state: unknown;
  try {
    state = parseUntrustedJson(readTensorBytes(view));
  } catch (cause) {
    return refuse("JSON in UTF-8", cause instanceof Error ? cause.message : String(cause));
  }
  if (!isObject(state)) return refuse("an object", state);
  if (state.quant_type !== "nf4") return refuse('quant_type "nf4"', state.quant_type);
  if (state.blocksize !== NF4_BLOCK_ELEMENTS) return refuse(`blocksize ${NF4_BLOCK_ELEMENTS}`, state.blocksize);
  const { shape } = state;
  if (!Array.isArray(shape) || shape.length !== 2 || !shape.every((size) => isCount(size) && size > 0))
    return refuse("a shape of two sizes", shape);
  if (!isCount(shape[0] * shape[1])) return refuse("fewer than 2^53 elements", shape);
  const { nested_offset: offset, nested_blocksize: block } = state;
  if (offset !== undefined && (typeof offset !== "number" || !Number.isFinite(offset))) return refuse("nested_offset as a number", offset);
  if (offset !== undefined && block !== NF4_NESTED_BLOCK) return refuse(`nested_blocksize ${NF4_NESTED_BLOCK}`, block);
  return { shape: shape as [number, number], nestedOffset: offset };
}
