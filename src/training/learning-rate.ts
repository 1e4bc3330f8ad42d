/** Learning-rate schedules: linear warm-up, then constant, linear or cosine decay to a floor. Steps count from 1. */

export interface LearningRateSchedule {
  readonly kind: "linear" | "cosine" | "constant";
  readonly peak: number;
  readonly floor: number;
  readonly warmupSteps: number;
  readonly totalSteps: number;
}

/**
 * Learning rate of step `step` (1 … totalSteps). As in Transformers' schedulers the first step of a warm-up of W steps has rate 0·peak/W and
 * step W + 1 the peak.
 */
export function learningRate(schedule: LearningRateSchedule, step: number): number {
  const { kind, peak, floor, warmupSteps, totalSteps } = schedule;
  const done = step - 1;
  if (done < warmupSteps) return (peak * done) / Math.max(1, warmupSteps);
  if (kind === "constant") return peak;
  const progress = Math.min(1, (done - warmupSteps) / Math.max(1, totalSteps - warmupSteps));
  const share = kind === "linear" ? 1 - progress : 0.5 * (1 + Math.cos(Math.PI * progress));
  return floor + (peak - floor) * share;
}
