/** What the attention launchers share: sizes, and where the plan of segments and tiles lies in device memory. */
import type { ActivationDType } from "../../backend.ts";

/** Addresses of what attention_plan.cu makes. */
export interface AttentionPlan {
  readonly rows: number;
  readonly bounds: number;
  /** T: tiles of 128 rows. */
  readonly tiles: number;
  readonly paddedRows: number;
  /** What follows the bounds in memory; for the order of the tiles. */
  readonly rest: number;
}

export interface HeadSizes {
  readonly N: number;
  readonly H: number;
  readonly K: number;
  readonly D: number;
  readonly dtype: ActivationDType;
}
