/** A product that reads weights as they are stored, for few rows: what its kernels are told. Addresses; 0 where there is none. */
import type { ActivationDType } from "../../backend.ts";

export interface StoredProduct {
  readonly N: number;
  readonly dtype: ActivationDType;
  /** Address of the group's LinearPart table. */
  readonly parts: number;
  readonly x: number;
  readonly y: number;
  /** f32 [N, ΣR]: scale · x Aᵀ. 0: without the adapters. */
  readonly xa: number;
  readonly ranks: number;
}
