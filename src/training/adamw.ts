/**
 * AdamW over flat f32 buffers: decoupled weight decay, bias-corrected moments, optional 8-bit state in blocks of 256.
 * Hyper-parameters of the step live in device memory, because a captured step must not contain them.
 * Source: Loshchilov & Hutter, arXiv:1711.05101; 8-bit state: Dettmers et al., arXiv:2110.02861.
 */
import type { Operand } from "../backend/backend.ts";
import type { Arena } from "../tensor/arena.ts";
import { Tensor } from "../tensor/tensor.ts";

export interface AdamWSettings {
  readonly beta1: number;
  readonly beta2: number;
  readonly epsilon: number;
  readonly weightDecay: number;
  readonly state: "f32" | "8bit";
}

/** Elements that share a scale in 8-bit state. */
const STATE_BLOCK = 256;

/** What one optimizer updates: a flat run of parameters. */
export interface OptimizerTarget {
  readonly name: string;
  readonly params: Operand; // f32 [n]
  readonly gradients: Operand; // f32 [n]
  /** Compute copy to be written after the update. */
  readonly weightsOut?: Operand;
  /** Norms and biases are not decayed. */
  readonly decays: boolean;
}

export class AdamW {
  readonly target: OptimizerTarget;
  readonly #settings: AdamWSettings;
  readonly #backend: Arena["backend"];
  readonly #hyper: Tensor;
  /** m, v and, in 8 bits, their scales: everything a checkpoint must hold. */
  readonly state: ReadonlyMap<string, Tensor>;

  constructor(arena: Arena, target: OptimizerTarget, settings: AdamWSettings) {
    this.target = target;
    this.#settings = settings;
    this.#backend = arena.backend;
    this.#hyper = Tensor.take(arena, "f32", [8], `AdamW hyper-parameters of ${target.name}`);
    const count = target.params.shape.reduce((product, size) => product * size, 1);
    const eightBit = settings.state === "8bit";
    const make = (name: string, dtype: "f32" | "u8", size: number): [string, Tensor] => {
      const tensor = Tensor.take(arena, dtype, [size], `AdamW ${name} of ${target.name}`);
      this.#backend.zero(tensor);
      return [name, tensor];
    };
    const blocks = Math.ceil(count / STATE_BLOCK);
    this.state = new Map([
      make("m", eightBit ? "u8" : "f32", count),
      make("v", eightBit ? "u8" : "f32", count),
      ...(eightBit ? [make("mScales", "f32", blocks), make("vScales", "f32", blocks)] : []),
    ]);
  }

  /** Writes the step's numbers to device memory. @param step counted from 1 */
  prepare(step: number, learningRate: number): void {
    const { beta1, beta2, epsilon, weightDecay } = this.#settings;
    const decay = this.target.decays ? weightDecay : 0;
    const hyper = Float32Array.of(learningRate, beta1, beta2, epsilon, decay, 1 - beta1 ** step, 1 - beta2 ** step, 0);
    this.#backend.upload(this.#hyper, new Uint8Array(hyper.buffer));
  }

  /** @param clip f32 [≥ 1]: factor on the gradients */
  step(clip: Operand): void {
    const { params, gradients, weightsOut } = this.target;
    const state = (name: string) => this.state.get(name);
    this.#backend.adamw({
      params,
      gradients,
      weightsOut,
      clip,
      hyper: this.#hyper,
      m: state("m")!,
      v: state("v")!,
      mScales: state("mScales"),
      vScales: state("vScales"),
    });
  }

  release(): void {
    this.#hyper.release("release of the optimizer");
    for (const tensor of this.state.values()) tensor.release("release of the optimizer");
  }
}
