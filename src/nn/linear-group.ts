/**
 * A group of linear layers that read the same input (q|k|v, gate|up, or one alone), with or without LoRA on each part.
 * The group is the unit of work: x is packed once and the outputs lie side by side, which is what attention and the gate read.
 */
import type { LinearOperand } from "../backend/backend.ts";
import { type LinearOp, linear } from "../tensor/ops/linear.ts";
import { linearStep, type StepSurroundings } from "../tensor/ops/linear-step.ts";
import type { MatrixParameter, VectorParameter } from "../tensor/parameter.ts";
import type { Tape } from "../tensor/tape.ts";
import type { Tensor } from "../tensor/tensor.ts";
import type { LoraAdapter } from "./lora.ts";

export interface LinearPart {
  readonly parameter: MatrixParameter; // [Out, In]
  lora?: LoraAdapter;
}

export class LinearGroup {
  readonly parts: readonly LinearPart[];
  /** f32 [ΣOut]: the parts' biases side by side. */
  readonly bias: VectorParameter | undefined;
  readonly inFeatures: number;
  readonly outFeatures: number;
  /** Probability of LoRA's dropout and its seed in device memory (u64 [1]). */
  #dropout: { probability: number; seed: Tensor } | undefined;
  #operand: LinearOperand | undefined;
  #withoutDropout: LinearOperand | undefined;

  constructor(parts: readonly LinearPart[], bias?: VectorParameter) {
    this.parts = parts;
    this.bias = bias;
    this.inFeatures = parts[0]!.parameter.weight.cols;
    this.outFeatures = parts.reduce((sum, part) => sum + part.parameter.weight.rows, 0);
  }

  get path(): string {
    return this.parts.map((part) => part.parameter.path).join("|");
  }

  get rankTotal(): number {
    return this.parts.reduce((sum, part) => sum + (part.lora?.rank ?? 0), 0);
  }

  setDropout(dropout: { probability: number; seed: Tensor } | undefined): void {
    this.#dropout = dropout;
    this.changed();
  }

  /** Call after changing a part's adapter or weight. */
  changed(): void {
    this.#operand = undefined;
    this.#withoutDropout = undefined;
  }

  /** @param x act [N, In]  @returns act [N, ΣOut] */
  forward(tape: Tape, x: Tensor): Tensor {
    return linear(tape, x, this.#op(tape));
  }

  /** As the backend sees it on this tape: what norm and gate name as the reader of what they write. */
  operand(tape: Tape): LinearOperand {
    return this.#describe(tape.isTraining);
  }

  /** The group with what stands around it and the one that runs next, for few rows; null when it must run by itself. See `linearStep`. */
  step(tape: Tape, x: Tensor, around: Omit<StepSurroundings, "next">, next?: LinearGroup): Tensor | null {
    return linearStep(tape, x, this.#op(tape), { ...around, next: next ? next.#describe(tape.isTraining) : undefined });
  }

  #op(tape: Tape): LinearOp {
    return {
      path: this.path,
      operand: this.operand(tape),
      inFeatures: this.inFeatures,
      outFeatures: this.outFeatures,
      rankTotal: this.rankTotal,
      weightGradients: this.parts.map((part) => part.parameter.gradient),
      biasGradient: this.bias?.gradient,
    };
  }

  /** Dropout belongs to training only; everything else is the same forward and backward. */
  #describe(isTraining: boolean): LinearOperand {
    this.#operand ??= {
      parts: this.parts.map((part) => ({ weight: part.parameter.weight, lora: part.lora?.operand() })),
      bias: this.bias?.value,
      dropout: this.#dropout?.probability ?? 0,
      seed: this.#dropout?.seed,
    };
    if (isTraining || this.#operand.dropout === 0) return this.#operand;
    this.#withoutDropout ??= { ...this.#operand, dropout: 0 };
    return this.#withoutDropout;
  }
}
