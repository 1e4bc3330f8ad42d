/** Between JavaScript numbers and the bytes of each element type. Written apart from the kernels, so that both can be checked by the other. */
import type { DType } from "../backend.ts";
import { BYTES_PER_ELEMENT } from "../element-types.ts";

const single = new Float32Array(1);
const singleBits = new Uint32Array(single.buffer);

/** Rounds to nearest, ties to even. */
function toBf16(value: number): number {
  single[0] = value;
  const bits = singleBits[0]!;
  if (Number.isNaN(value)) return 0x7fc0;
  return ((bits + 0x7fff + ((bits >>> 16) & 1)) >>> 16) & 0xffff;
}

function fromBf16(bits: number): number {
  singleBits[0] = bits << 16;
  return single[0]!;
}

/** Rounds to nearest, ties to even; beyond 65,504 becomes infinity. */
export function toF16(value: number): number {
  const sign = value < 0 || Object.is(value, -0) ? 0x8000 : 0;
  const size = Math.abs(value);
  if (Number.isNaN(value)) return 0x7e00;
  if (size >= 65520) return sign | 0x7c00;
  const exponent = Math.max(-14, size === 0 ? -14 : Math.floor(Math.log2(size)));
  const units = roundToEven(size * 2 ** (10 - exponent));
  return units < 1024 ? sign | units : sign | (((exponent + 15) << 10) + (units - 1024));
}

function fromF16(bits: number): number {
  const exponent = (bits >> 10) & 31;
  const fraction = bits & 1023;
  const size =
    exponent === 0 ? fraction * 2 ** -24 : exponent === 31 ? (fraction ? Number.NaN : Infinity) : (1024 + fraction) * 2 ** (exponent - 25);
  return bits & 0x8000 ? -size : size;
}

let f16Table: Float64Array | undefined;

/** All 65,536 of them, so that large arrays are quick to read. */
function f16Values(): Float64Array {
  f16Table ??= Float64Array.from({ length: 65536 }, (_, bits) => fromF16(bits));
  return f16Table;
}

function roundToEven(value: number): number {
  const floor = Math.floor(value);
  const rest = value - floor;
  return rest > 0.5 || (rest === 0.5 && floor % 2 === 1) ? floor + 1 : floor;
}

export function encode(dtype: DType, values: ArrayLike<number>): Uint8Array {
  const bytes = new Uint8Array(values.length * BYTES_PER_ELEMENT[dtype]);
  if (dtype === "f32") new Float32Array(bytes.buffer).set(values);
  else if (dtype === "i32") new Int32Array(bytes.buffer).set(values);
  else if (dtype === "u8") bytes.set(values);
  else if (dtype === "u64") new BigUint64Array(bytes.buffer).set(Array.from(values, BigInt));
  else {
    const bits = new Uint16Array(bytes.buffer);
    const round = dtype === "bf16" ? toBf16 : toF16;
    for (let i = 0; i < bits.length; i++) bits[i] = round(values[i]!);
  }
  return bytes;
}

export function decode(dtype: DType, bytes: Uint8Array): Float64Array {
  const { buffer, byteOffset } = bytes;
  const count = bytes.byteLength / BYTES_PER_ELEMENT[dtype];
  if (dtype === "f32") return Float64Array.from(new Float32Array(buffer, byteOffset, count));
  if (dtype === "i32") return Float64Array.from(new Int32Array(buffer, byteOffset, count));
  if (dtype === "u8") return Float64Array.from(bytes);
  if (dtype === "u64") return Float64Array.from(new BigUint64Array(buffer, byteOffset, count), Number);
  const bits = new Uint16Array(buffer, byteOffset, count);
  const values = new Float64Array(count);
  const table = dtype === "bf16" ? null : f16Values();
  for (let i = 0; i < count; i++) values[i] = table ? table[bits[i]!]! : fromBf16(bits[i]!);
  return values;
}
