/**
 * Seeds of LoRA's dropout: one u64 a linear group, new every pass, a function of (run seed, step, pass, group) alone, so that a resumed run
 * draws the same masks. All passes' seeds are uploaded before the step; each pass copies its own into the fixed place that the ops read.
 */
import type { CausalLM } from "../models/causal-lm.ts";
import { Tensor } from "../tensor/tensor.ts";

export class DropoutSeeds {
  readonly #model: CausalLM;
  readonly #seed: number;
  readonly #passes: number;
  readonly #groups: number;
  readonly #all: Tensor; // u64 [passes · groups]
  readonly #current: Tensor; // u64 [groups]

  constructor(model: CausalLM, probability: number, seed: number, passes: number) {
    this.#model = model;
    this.#seed = seed;
    this.#passes = passes;
    const groups = [...new Set([...model.linears()].map(({ group }) => group))];
    this.#groups = groups.length;
    this.#all = Tensor.take(model.arena, "u64", [passes * groups.length], "dropout seeds");
    this.#current = Tensor.take(model.arena, "u64", [groups.length], "dropout seeds of the pass");
    for (const [index, group] of groups.entries()) group.setDropout({ probability, seed: this.#current.view([1], index) });
  }

  prepare(step: number): void {
    const values = new BigUint64Array(this.#passes * this.#groups);
    const base = (BigInt(this.#seed) << 40n) ^ (BigInt(step) << 24n);
    for (let index = 0; index < values.length; index++) values[index] = BigInt.asUintN(64, (base + BigInt(index)) * 0x9e3779b97f4a7c15n);
    this.#model.backend.upload(this.#all, new Uint8Array(values.buffer));
  }

  enqueue(pass: number): void {
    this.#model.backend.copy(this.#all.view([this.#groups], pass * this.#groups), this.#current);
  }

  release(): void {
    for (const { group } of this.#model.linears()) group.setDropout(undefined);
    this.#all.release("the end of training");
    this.#current.release("the end of training");
  }
}
