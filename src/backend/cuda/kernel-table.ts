/**
 * kernels.json: for each kernel the image it is in, its block size, its parameters as the launcher must pack them, and whether it may start early.
 *
 * Parameters lie one after the other, each aligned to its own size (tensor maps to 64); the size handed to the driver ends with the last
 * parameter, without padding: it must be exact.
 */
export type ParameterType = "ptr" | "i32" | "i64" | "u64" | "f32" | "tensormap";

export interface KernelSignature {
  readonly name: string;
  readonly image: string;
  readonly threads: number;
  /** It waits by itself for the kernel ahead of it; the script that writes kernels.json reads this from the source. */
  readonly early?: boolean;
  readonly params: readonly { readonly name: string; readonly type: ParameterType }[];
}

export interface KernelTable {
  readonly kernels: readonly KernelSignature[];
}

const SIZES: Readonly<Record<ParameterType, number>> = { ptr: 8, i32: 4, i64: 8, u64: 8, f32: 4, tensormap: 128 };
const ALIGNMENTS: Readonly<Record<ParameterType, number>> = { ...SIZES, tensormap: 64 };

export interface ParameterLayout {
  readonly types: readonly ParameterType[];
  readonly offsets: readonly number[];
  readonly bytes: number;
}

export function parameterLayout(types: readonly ParameterType[]): ParameterLayout {
  let bytes = 0;
  const offsets = types.map((type) => {
    const offset = Math.ceil(bytes / ALIGNMENTS[type]) * ALIGNMENTS[type];
    bytes = offset + SIZES[type];
    return offset;
  });
  return { types, offsets, bytes };
}

/** Numbers for everything; a bigint where 64 bits matter (seeds), 128 bytes for a tensor map. */
export type ParameterValue = number | bigint | Uint8Array;

/** Writes the values of one launch. Addresses and 64-bit sizes are numbers below 2^53. */
export function packParameters(view: DataView, { types, offsets }: ParameterLayout, values: readonly ParameterValue[]): void {
  if (values.length !== types.length) throw new RangeError(`${types.length} parameters expected, ${values.length} given`);
  for (let i = 0; i < types.length; i++) {
    const value = values[i]!;
    const at = offsets[i]!;
    switch (types[i]) {
      case "ptr":
      case "i64":
      case "u64":
        if (typeof value === "number") {
          view.setUint32(at, value >>> 0, true);
          view.setInt32(at + 4, Math.floor(value / 2 ** 32), true);
        } else view.setBigUint64(at, BigInt.asUintN(64, value as bigint), true);
        break;
      case "i32":
        view.setInt32(at, value as number, true);
        break;
      case "f32":
        view.setFloat32(at, value as number, true);
        break;
      default:
        new Uint8Array(view.buffer, view.byteOffset + at, 128).set(value as Uint8Array);
    }
  }
}
