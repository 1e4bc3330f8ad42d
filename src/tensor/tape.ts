/**
 * The tape: runs fused ops, remembers how to walk back through them, and owns the memory of everything on the way.
 *
 * Forward: an op allocates its outputs on the tape and, when one of its inputs needs a gradient, records a node: what it keeps and its
 * hand-written backward. Backward: nodes run in reverse; each gets the gradients of its outputs and returns those of its inputs; what it kept
 * and the gradients it consumed are freed at once. A tensor used twice has its gradients added.
 *
 * Nothing here knows a model or an op; ops live one a file in ops/.
 */
import type { Backend, DType } from "../backend/backend.ts";
import type { Arena } from "./arena.ts";
import { Scope } from "./scope.ts";
import type { Shape } from "./shape.ts";
import { Tensor } from "./tensor.ts";

/** Which forward results are kept for backward and which are made again. */
export type RecomputePolicy =
  /** Keep everything: fastest, most memory. */
  | "none"
  /** Make norm outputs and gated activations again (elementwise work). */
  | "cheap"
  /** Keep only the input of each layer and run its forward again. */
  | "layers"
  /** As "layers", with the inputs in the host's memory (on a device that has its own). */
  | "host";

/** One op on the tape. */
export interface TapeNode {
  readonly name: string;
  readonly inputs: readonly (Tensor | null)[];
  readonly outputs: readonly Tensor[];
  /** What backward reads. Retained until it ran. */
  readonly kept: readonly KeptTensor[];
  /** True when backward needs no incoming gradient (a loss). */
  readonly isRoot?: boolean;
  /**
   * @param dOutputs gradient of each output; undefined where nothing flowed. The node may overwrite one that `isSoleOwner`.
   * @returns gradient of each input; undefined where none is needed. The same tensor may be returned for several inputs.
   */
  backward(dOutputs: readonly (Tensor | undefined)[]): readonly (Tensor | undefined)[];
}

/** A forward result that backward will read. */
export interface KeptTensor {
  /** Its values; a tensor that had to be made belongs to the current scope. */
  get(): Tensor;
  release(by: string): void;
}

/** Kept on the device: the tensor itself, or the recipe to make it again. */
class Kept implements KeptTensor {
  readonly #tensor: Tensor;
  readonly #fromRecipe: boolean;

  constructor(tensor: Tensor, policy: RecomputePolicy) {
    this.#tensor = tensor;
    this.#fromRecipe = policy === "cheap" && tensor.recipe !== undefined;
    for (const needed of this.#holds()) needed.retain();
  }

  /** The tensor, made again when it was not kept (then it belongs to the current scope). */
  get(): Tensor {
    return this.#fromRecipe ? this.#tensor.recipe!.make() : this.#tensor;
  }

  release(by: string): void {
    for (const needed of this.#holds()) needed.release(by);
  }

  #holds(): readonly Tensor[] {
    return this.#fromRecipe ? this.#tensor.recipe!.needs : [this.#tensor];
  }
}

export class Tape {
  readonly arena: Arena;
  readonly policy: RecomputePolicy;
  /** True on the tape of a training step, also inside segments that are not recorded: dropout is on. */
  readonly isTraining: boolean;
  #nodes: TapeNode[] = [];
  #scopes: Scope[] = [];
  #recording: boolean;

  constructor(arena: Arena, options: { recording: boolean; policy?: RecomputePolicy }) {
    this.arena = arena;
    this.policy = options.policy ?? "none";
    this.#recording = options.recording;
    this.isTraining = options.recording;
  }

  get backend(): Backend {
    return this.arena.backend;
  }

  get isRecording(): boolean {
    return this.#recording;
  }

  /** A tensor with undefined contents, freed with the current scope. */
  allocate(dtype: DType, shape: Shape, label: string): Tensor {
    return this.adopt(Tensor.take(this.arena, dtype, shape, label));
  }

  /** Runs `body` and frees what it made, except the tensors it returns, which go to the scope outside. */
  scope<T extends readonly Tensor[]>(name: string, body: () => T): T {
    const scope = new Scope(name);
    this.#scopes.push(scope);
    let results: T | undefined;
    try {
      results = body();
      for (const tensor of results) tensor.retain();
    } finally {
      this.#scopes.pop();
      scope.end();
    }
    const outer = this.#scopes.at(-1);
    if (outer) for (const tensor of results) outer.own(tensor);
    return results;
  }

  /** The caller is done with a tensor of the current scope: frees it now unless somebody keeps it. */
  free(tensor: Tensor): void {
    this.#scopes.at(-1)?.free(tensor);
  }

  /** Gives the caller's reference on a tensor to the current scope. */
  adopt(tensor: Tensor): Tensor {
    const scope = this.#scopes.at(-1);
    if (!scope) throw new Error(`${tensor.label} was handed over outside every scope`);
    return scope.own(tensor);
  }

  /** For an op: a forward result that backward will want. */
  keep(tensor: Tensor): Kept {
    return new Kept(tensor, this.policy);
  }

  /** True when an op over these inputs has to be recorded. */
  needsGradient(inputs: readonly (Tensor | null)[], trainable = false): boolean {
    return this.#recording && (trainable || inputs.some((input) => input?.requiresGradient));
  }

  record(node: TapeNode): void {
    for (const output of node.outputs) output.requiresGradient = true;
    this.#nodes.push(node);
  }

  /** Runs `body` without recording; for segments that will be run again in backward. */
  withoutRecording<T>(body: () => T): T {
    const before = this.#recording;
    this.#recording = false;
    try {
      return body();
    } finally {
      this.#recording = before;
    }
  }

  /**
   * Walks back from the recorded loss, or from `seeds`. Parameter gradients have been added when it returns.
   * @param wanted tensors whose gradient the caller takes (owned by the current scope)
   */
  backward(seeds: ReadonlyMap<Tensor, Tensor> = new Map(), wanted: readonly Tensor[] = []): Map<Tensor, Tensor> {
    const gradients = new Map<number, Tensor>();
    const result = new Map<Tensor, Tensor>();
    try {
      for (const [tensor, gradient] of seeds) gradients.set(tensor.id, gradient.retain());
      while (this.#nodes.length > 0) this.#step(this.#nodes.pop()!, gradients);
      for (const tensor of wanted) {
        const gradient = gradients.get(tensor.id);
        if (!gradient) continue;
        result.set(tensor, gradient);
        gradients.delete(tensor.id);
        this.adopt(gradient);
      }
    } finally {
      for (const gradient of gradients.values()) gradient.release("the end of backward");
    }
    return result;
  }

  /** Forgets what was recorded and frees what it kept (after a failure, or when no backward is wanted). */
  discard(): void {
    for (const node of this.#nodes.splice(0)) for (const kept of node.kept) kept.release("discard()");
  }

  #step(node: TapeNode, gradients: Map<number, Tensor>): void {
    const dOutputs = node.outputs.map((output) => gradients.get(output.id));
    for (const output of node.outputs) gradients.delete(output.id);
    const by = `the backward of ${node.name}`;
    if (node.isRoot || dOutputs.some((gradient) => gradient !== undefined)) {
      const scope = new Scope(by);
      this.#scopes.push(scope);
      try {
        const dInputs = node.backward(dOutputs);
        for (const [index, input] of node.inputs.entries()) {
          const gradient = dInputs[index];
          if (input?.requiresGradient && gradient) this.#accumulate(gradients, input, gradient);
        }
      } finally {
        this.#scopes.pop();
        scope.end();
      }
    }
    for (const gradient of dOutputs) gradient?.release(by);
    for (const kept of node.kept) kept.release(by);
  }

  #accumulate(gradients: Map<number, Tensor>, input: Tensor, gradient: Tensor): void {
    const before = gradients.get(input.id);
    if (!before) {
      gradients.set(input.id, gradient.retain());
      return;
    }
    // Shared by two inputs (a residual): add into a copy of our own.
    let target = before;
    if (!before.isSoleOwner) {
      target = Tensor.take(this.arena, before.dtype, before.shape, `gradient of ${input.label}`);
      this.backend.copy(before, target);
      before.release("a gradient sum");
      gradients.set(input.id, target);
    }
    this.backend.add(gradient, target, 1);
  }
}
