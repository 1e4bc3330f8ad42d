/** The kernel implementations a CPU context may run, as `REMORA_CPU`, `openCpuBackend` and reports spell them. */
import * as native from "./bindings.generated.ts";

export const CPU_ISAS = {
  reference: native.ISA_REFERENCE,
  scalar: native.ISA_SCALAR,
  neon: native.ISA_NEON,
  avx2: native.ISA_AVX2,
  avx512: native.ISA_AVX512,
  "avx512-bf16": native.ISA_AVX512_BF16,
} as const;

export type CpuIsa = keyof typeof CPU_ISAS;

export function isaName(number: number): CpuIsa {
  const entry = Object.entries(CPU_ISAS).find(([, value]) => value === number);
  if (!entry) throw new RangeError(`the kernel library reports ISA ${number}, which these bindings do not know`);
  return entry[0] as CpuIsa;
}
