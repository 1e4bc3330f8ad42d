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

  end(): void {
    for (const tensor of this.#tensors.splice(0)) tensor.release(`the end of ${this.name}`);
  }

  [Symbol.dispose](): void {
    this.end();
  }
}
