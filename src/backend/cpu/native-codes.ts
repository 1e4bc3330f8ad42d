/** Our words for element types, formats and statuses ↔ the numbers of remora.h. */
import type { ActivationDType, WeightFormat } from "../backend.ts";
import * as native from "./bindings.generated.ts";

export const DTYPE_CODES: Readonly<Record<ActivationDType, number>> = { f32: native.F32, bf16: native.BF16, f16: native.F16 };

export const FORMAT_CODES: Readonly<Record<WeightFormat, number>> = {
  f32: native.F32,
  bf16: native.BF16,
  f16: native.F16,
  nf4: native.NF4,
  e4m3: native.E4M3,
  q8_0: native.Q8_0,
  q4_0: native.Q4_0,
  q4_1: native.Q4_1,
  q5_0: native.Q5_0,
  q5_1: native.Q5_1,
  q4_k: native.Q4_K,
  q5_k: native.Q5_K,
  q6_k: native.Q6_K,
};

const STATUS_NAMES: Readonly<Record<number, string>> = {
  [native.STATUS_SHAPE]: "SHAPE",
  [native.STATUS_DTYPE]: "DTYPE",
  [native.STATUS_MEMORY]: "MEMORY",
  [native.STATUS_UNSUPPORTED]: "UNSUPPORTED",
  [native.STATUS_IO]: "IO",
  [native.STATUS_ARGUMENT]: "ARGUMENT",
};

export function statusName(status: number): string {
  return STATUS_NAMES[status] ?? String(status);
}
