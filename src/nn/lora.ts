/**
 * LoRA: a low-rank update `scale · (x Aᵀ) Bᵀ` beside a frozen linear, scale = alpha / R (alpha / √R for rank-stabilized LoRA).
 *
 * All adapters of a model live in three flat f32 buffers: weights, gradients and (with the optimizer) state. A starts uniform in ±1/√In, B at
 * zero, so the model starts out equal to its base.
 * Source: Hu et al. 2021, arXiv:2106.09685; rank-stabilized: Kalajdzievski 2023, arXiv:2312.03732.
 */
import type { LoraOperand } from "../backend/backend.ts";
import type { Arena } from "../tensor/arena.ts";
import { FlatBuffer, FlatLayout } from "../tensor/flat-buffer.ts";
import type { Tensor } from "../tensor/tensor.ts";

export interface LoraSettings {
  /** R. */
  readonly rank: number;
  readonly alpha: number;
  /** Rank-stabilized: scale by alpha / √R instead of alpha / R. */
  readonly rankStabilized: boolean;
}

function loraScale({ rank, alpha, rankStabilized }: LoraSettings): number {
  return alpha / (rankStabilized ? Math.sqrt(rank) : rank);
}

/** The adapter of one linear. */
export interface LoraAdapter {
  /** Path of the linear, without `.weight`: `model.layers.0.self_attn.q_proj`. */
  readonly path: string;
  readonly rank: number;
  readonly scale: number;
  readonly a: Tensor; // [R, In] f32
  readonly b: Tensor; // [Out, R] f32
  operand(): LoraOperand;
}

/** Shape and settings of one adapter to be made. */
export interface LoraSite {
  readonly path: string;
  readonly inFeatures: number;
  readonly outFeatures: number;
  readonly settings: LoraSettings;
}

/** All adapters of a model. */
export class LoraStore {
  readonly sites: readonly LoraSite[];
  readonly adapters: readonly LoraAdapter[];
  readonly layout: FlatLayout;
  readonly weights: FlatBuffer;
  /** Undefined when the adapters are only used, not trained. */
  readonly gradients: FlatBuffer | undefined;

  constructor(arena: Arena, sites: readonly LoraSite[], options: { trainable: boolean }) {
    this.sites = sites;
    this.layout = new FlatLayout(
      sites.flatMap(({ path, inFeatures, outFeatures, settings }) => [
        { name: `${path}.lora_A`, shape: [settings.rank, inFeatures] },
        { name: `${path}.lora_B`, shape: [outFeatures, settings.rank] },
      ]),
    );
    this.weights = new FlatBuffer(arena, this.layout, "LoRA weights");
    this.gradients = options.trainable ? new FlatBuffer(arena, this.layout, "LoRA gradients") : undefined;
    this.adapters = sites.map((site) => this.#adapter(site));
  }

  /** A uniform in ±1/√In (Kaiming uniform with a = √5, as PEFT), B zero. */
  initialize(arena: Arena, seed: number): void {
    for (const [index, { path, inFeatures }] of this.sites.entries()) {
      // One stream of random numbers a site, so that adding a target does not change the others.
      const stream = (BigInt(seed) << 20n) + BigInt(index);
      arena.backend.random(this.weights.array(`${path}.lora_A`), stream, 1 / Math.sqrt(inFeatures), "uniform");
    }
  }

  release(): void {
    this.weights.release();
    this.gradients?.release();
  }

  #adapter({ path, settings }: LoraSite): LoraAdapter {
    const a = this.weights.array(`${path}.lora_A`);
    const b = this.weights.array(`${path}.lora_B`);
    const scale = loraScale(settings);
    const operand: LoraOperand = {
      a,
      b,
      aGradient: this.gradients?.array(`${path}.lora_A`),
      bGradient: this.gradients?.array(`${path}.lora_B`),
      rank: settings.rank,
      scale,
    };
    return { path, rank: settings.rank, scale, a, b, operand: () => operand };
  }
}
