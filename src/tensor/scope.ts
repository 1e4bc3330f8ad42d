/**
 * A memory scope: everything made in it is freed when it ends, except what was retained by someone else meanwhile.
 * Scopes nest; `keep` hands a tensor to the outer scope, which is how a block of code returns a result.
 */
import type { Tensor } from "./tensor.ts";

export class Scope {
  readonly name: string;
  readonly #tensors: Tensor[] = [];

  constructor(name: string) {
    this.name = name;
  }

  own(tensor: Tensor): Tensor {
    this.#tensors.push(tensor);
    return tensor;
  }

  /** Frees one tensor before the scope ends; one that the scope does not own is left alone. */
  free(tensor: Tensor): void {
    const index = this.#tensors.lastIndexOf(tensor);
    if (index < 0) return;
    this.#tensors.splice(index, 1);
    tensor.release(`an early release in ${this.name}`);
  }

  end(): void {
    for (const tensor of this.#tensors.splice(0)) tensor.release(`the end of ${this.name}`);
  }

  [Symbol.dispose](): void {
    this.end();
  }
}
