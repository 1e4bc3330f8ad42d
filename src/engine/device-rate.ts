/** How fast a device multiplies and adds, for estimates of time. */
import type { ActivationDType, Backend } from "../backend/backend.ts";

const MEASURE_SECONDS = 0.2;

/** FLOP/s, or undefined where the device cannot say. Measured, not looked up: clocks and neighbours differ. */
export function measureFlops(backend: Backend, compute: ActivationDType): number | undefined {
  return backend.measurePeak?.(compute === "bf16" ? "bf16" : "f32", MEASURE_SECONDS);
}
