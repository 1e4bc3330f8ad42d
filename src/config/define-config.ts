/**
 * `export default defineConfig({ ... })` in a `remora.config.ts`: types for people, a plain object for everything else.
 */
import type { PlanConfigInput } from "./schemas/plan.ts";
import type { TrainConfigInput } from "./schemas/train.ts";

/** Checks the types of a run's config and returns it as it is. A file may leave out what flags will say. */
export function defineConfig(config: Partial<TrainConfigInput & PlanConfigInput>): Partial<TrainConfigInput> {
  return config as Partial<TrainConfigInput>;
}
