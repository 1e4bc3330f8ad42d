/** The rule of loss scaling for f16 in f32 arithmetic, as kernels/cuda/optimizer.cu has it; see `updateLossScale` in backend.ts. */

const LARGEST_SCALE = 2 ** 24;
const f32 = Math.fround;

export interface LossScaleStep {
  /** Norm of the real gradients (as it was when not finite) and the factor on the scaled ones. */
  readonly norm: readonly [number, number];
  /** Scale of the next step, good steps in a row, skipped steps, scale of this step (negative when skipped). */
  readonly scaling: readonly [number, number, number, number];
}

/** @param norm of the scaled gradients */
export function nextLossScale(
  norm: number,
  [scale, good, skipped]: readonly number[],
  { maxNorm, growthInterval }: { maxNorm: number; growthInterval: number },
): LossScaleStep {
  if (!Number.isFinite(norm)) return { norm: [norm, -1], scaling: [Math.max(scale! / 2, 1), 0, skipped! + 1, -scale!] };
  const real = f32(norm / scale!);
  const clip = maxNorm > 0 && real > maxNorm ? f32(f32(maxNorm) / real) : 1;
  const grows = good! + 1 >= growthInterval;
  return {
    norm: [real, f32(clip / scale!)],
    scaling: [grows ? Math.min(scale! * 2, LARGEST_SCALE) : scale!, grows ? 0 : good! + 1, skipped!, scale!],
  };
}
