/** Makes small GGUF files for tests, right ones and wrong ones. Not a writer of models: nothing is checked, so that lies can be told. */
import { GGML_TYPES, type GgmlType } from "../ggml-types.ts";

/** A metadata value with its type, since JavaScript has one kind of number. */
export type TypedValue =
  | { u32: number }
  | { f32: number }
  | { bool: boolean }
  | { text: string }
  | { texts: string[] }
  | { f32s: number[] }
  | { i32s: number[] };

export interface TestTensor {
  name: string;
  type?: GgmlType;
  /** Wins over `type`. */
  typeId?: number;
  /** Row-major. */
  shape: number[];
  /** @default zeros of the right length */
  data?: Uint8Array;
  /** @default the next aligned byte */
  offset?: number;
}

export interface TestGguf {
  version?: number;
  magic?: string;
  tensorCount?: bigint;
  entryCount?: bigint;
  metadata?: [key: string, value: TypedValue][] | Record<string, TypedValue>;
  tensors?: TestTensor[];
}

export function makeGguf(file: TestGguf): Uint8Array {
  const entries = Array.isArray(file.metadata) ? file.metadata : Object.entries(file.metadata ?? {});
  const tensors = file.tensors ?? [];
  const parts: Buffer[] = [Buffer.from(file.magic ?? "GGUF"), u32(file.version ?? 3)];
  parts.push(u64(file.tensorCount ?? BigInt(tensors.length)), u64(file.entryCount ?? BigInt(entries.length)));
  for (const [key, value] of entries) parts.push(text(key), encode(value));
  const data: Buffer[] = [];
  let at = 0;
  for (const tensor of tensors) {
    const { id, blockElements, blockBytes } = GGML_TYPES[tensor.type ?? "F32"];
    const bytes = tensor.data ?? new Uint8Array((tensor.shape.reduce((a, b) => a * b, 1) / blockElements) * blockBytes);
    parts.push(text(tensor.name), u32(tensor.shape.length), ...[...tensor.shape].reverse().map((size) => u64(BigInt(size))));
    parts.push(u32(tensor.typeId ?? id), u64(BigInt(tensor.offset ?? at)));
    const padding = (32 - (bytes.length % 32)) % 32;
    data.push(Buffer.from(bytes), Buffer.alloc(padding));
    at += bytes.length + padding;
  }
  const header = Buffer.concat(parts);
  return Uint8Array.from(Buffer.concat([header, Buffer.alloc((32 - (header.length % 32)) % 32), ...data]));
}

export const f32Bytes = (values: readonly number[]): Uint8Array => new Uint8Array(Float32Array.from(values).buffer);

const u32 = (value: number): Buffer => {
  const out = Buffer.alloc(4);
  out.writeUInt32LE(value);
  return out;
};
const u64 = (value: bigint): Buffer => {
  const out = Buffer.alloc(8);
  out.writeBigUInt64LE(value);
  return out;
};
const text = (value: string): Buffer => Buffer.concat([u64(BigInt(Buffer.byteLength(value))), Buffer.from(value)]);
const array = (type: number, count: number, ...elements: Uint8Array[]): Buffer =>
  Buffer.concat([u32(9), u32(type), u64(BigInt(count)), ...elements]);

function encode(value: TypedValue): Buffer {
  if ("u32" in value) return Buffer.concat([u32(4), u32(value.u32)]);
  if ("f32" in value) return Buffer.concat([u32(6), f32Bytes([value.f32])]);
  if ("bool" in value) return Buffer.concat([u32(7), Buffer.of(value.bool ? 1 : 0)]);
  if ("text" in value) return Buffer.concat([u32(8), text(value.text)]);
  if ("texts" in value) return array(8, value.texts.length, ...value.texts.map(text));
  if ("f32s" in value) return array(6, value.f32s.length, f32Bytes(value.f32s));
  return array(5, value.i32s.length, new Uint8Array(Int32Array.from(value.i32s).buffer));
}
