/**
 * Tensor maps: how Hopper's copy engine finds a box of a matrix in device memory. Made by the driver on the host, 128 bytes, aligned to 64, and
 * passed to kernels by value.
 */
import koffi from "koffi";
import type { Driver } from "./driver.ts";

/** CUtensorMapDataType */
const DATA_TYPE = { f16: 6, bf16: 9 } as const;
/** CU_TENSOR_MAP_SWIZZLE_128B, CU_TENSOR_MAP_L2_PROMOTION_L2_256B; no interleave, zeros outside. */
const [NO_INTERLEAVE, SWIZZLE_128B, PROMOTE_256B, FILL_ZERO] = [0, 3, 3, 0];
const MAP_BYTES = 128;

/** A map over `rows` rows of `columns` 16-bit elements, box [boxRows, boxColumns]. */
export function encodeTensorMap(
  driver: Driver,
  op: string,
  dtype: "f16" | "bf16",
  address: number,
  columns: number,
  rows: number,
  boxColumns: number,
  boxRows: number,
): Uint8Array {
  const room = Buffer.alloc(MAP_BYTES + 64);
  const start = Number((64n - (BigInt(koffi.address(room)) % 64n)) % 64n);
  const map = room.subarray(start, start + MAP_BYTES);
  const sizes = BigUint64Array.of(BigInt(columns), BigInt(rows));
  const strides = BigUint64Array.of(BigInt(columns * 2));
  const [box, steps] = [Uint32Array.of(boxColumns, boxRows), Uint32Array.of(1, 1)];
  const { fn } = driver;
  const layout = [NO_INTERLEAVE, SWIZZLE_128B, PROMOTE_256B, FILL_ZERO] as const;
  driver.check(`${op} (tensor map)`, fn.cuTensorMapEncodeTiled(map, DATA_TYPE[dtype], 2, address, sizes, strides, box, steps, ...layout));
  return map;
}
