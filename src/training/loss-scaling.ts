/**
 * Dynamic loss scaling for f16: the loss is multiplied by a power of two before its gradients are made and they are divided by it afterwards, so
 * that small ones are not rounded to 0. A step whose gradients overflow changes nothing and halves the scale; many good steps in a row double
 * it. All of it happens in device memory, so a captured step stays as it is.
 * Source: Micikevicius et al., arXiv:1710.03740.
 */
import type { Operand } from "../backend/backend.ts";
import type { Arena } from "../tensor/arena.ts";
import { Tensor } from "../tensor/tensor.ts";

export interface LossScalingSettings {
  /** The first step's scale, a power of two. */
  readonly initialScale: number;
  /** Good steps in a row after which the scale doubles. */
  readonly growthInterval: number;
}

/** 65,536 as in PyTorch's GradScaler; it doubles after 500 good steps rather than 2,000, because fine-tuning runs are short. */
export const F16_LOSS_SCALING: LossScalingSettings = { initialScale: 65_536, growthInterval: 500 };

export class LossScaling {
  /** f32 [4], see `updateLossScale` in backend.ts. */
  readonly state: Tensor;
  /** f32 [1]: what the loss is multiplied by besides the scale. */
  readonly factor: Tensor;
  readonly #backend: Arena["backend"];
  readonly #settings: LossScalingSettings;

  constructor(arena: Arena, settings: LossScalingSettings) {
    this.#backend = arena.backend;
    this.#settings = settings;
    this.factor = Tensor.take(arena, "f32", [1], "loss factor");
    this.state = Tensor.take(arena, "f32", [4], "loss scaling");
    this.#backend.upload(this.state, new Uint8Array(Float32Array.of(settings.initialScale, 0, 0, 0).buffer));
  }

  /** At the start of a step. */
  scale(lossScale: Operand): void {
    this.#backend.scaleLoss(this.state, this.factor, lossScale);
  }

  /** Between the gradient norm and the optimizer. */
  update(norm: Operand, maxNorm: number): void {
    this.#backend.updateLossScale(norm, this.state, { maxNorm, growthInterval: this.#settings.growthInterval });
  }

  async lastStep(): Promise<{ lossScale: number; skipped: boolean }> {
    const bytes = await this.#backend.download(this.state);
    const used = new DataView(bytes.buffer, bytes.byteOffset).getFloat32(12, true);
    return { lossScale: Math.abs(used), skipped: used < 0 };
  }

  release(): void {
    this.state.release("the end of training");
    this.factor.release("the end of training");
  }
}
