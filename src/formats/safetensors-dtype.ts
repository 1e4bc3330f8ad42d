/** Element types of the safetensors format and their sizes. Source: the `Dtype` list of huggingface/safetensors 0.8. */

const BITS = {
  F4: 4,
  F6_E2M3: 6,
  F6_E3M2: 6,
  BOOL: 8,
  U8: 8,
  I8: 8,
  F8_E5M2: 8,
  F8_E4M3: 8,
  F8_E8M0: 8,
  F8_E4M3FNUZ: 8,
  F8_E5M2FNUZ: 8,
  I16: 16,
  U16: 16,
  F16: 16,
  BF16: 16,
  I32: 32,
  U32: 32,
  F32: 32,
  C64: 64,
  F64: 64,
  I64: 64,
  U64: 64,
} as const;

export type SafetensorsDType = keyof typeof BITS;

export const SAFETENSORS_DTYPES = Object.keys(BITS) as SafetensorsDType[];

export function isSafetensorsDType(value: unknown): value is SafetensorsDType {
  return typeof value === "string" && Object.hasOwn(BITS, value);
}

/** Bytes of `elements` values, undefined when they do not fill whole bytes. */
export function safetensorsBytes(dtype: SafetensorsDType, elements: number): number | undefined {
  const bytes = (elements / 8) * BITS[dtype];
  return Number.isSafeInteger(bytes) ? bytes : undefined;
}

/** What an element's address must be a multiple of. */
export function safetensorsAlignment(dtype: SafetensorsDType): number {
  return dtype === "C64" ? 4 : Math.max(1, BITS[dtype] >> 3);
}
