/**
 * Named f32 arrays laid out in one flat buffer. LoRA's weights, gradients and optimizer state are each one such buffer, so that the
 * optimizer, clipping and an all-reduce between GPUs are one call over one array.
 */
import type { Arena } from "./arena.ts";
import { elementCount, type Shape } from "./shape.ts";
import { Tensor } from "./tensor.ts";

export interface FlatEntry {
  readonly name: string;
  readonly shape: Shape;
  /** First element in the buffer. */
  readonly offset: number;
}

export class FlatLayout {
  readonly entries: readonly FlatEntry[];
  /** Elements in all. */
  readonly count: number;
  readonly #byName: ReadonlyMap<string, FlatEntry>;

  constructor(arrays: readonly { name: string; shape: Shape }[]) {
    let offset = 0;
    this.entries = arrays.map(({ name, shape }) => {
      const entry = { name, shape, offset };
      offset += elementCount(shape);
      return entry;
    });
    this.count = offset;
    this.#byName = new Map(this.entries.map((entry) => [entry.name, entry]));
  }

  entry(name: string): FlatEntry {
    const entry = this.#byName.get(name);
    if (!entry) throw new Error(`no array ${name} in this layout`);
    return entry;
  }
}

/** One flat f32 buffer [count] and windows onto it by name. */
export class FlatBuffer {
  readonly layout: FlatLayout;
  readonly tensor: Tensor;

  constructor(arena: Arena, layout: FlatLayout, label: string) {
    this.layout = layout;
    this.tensor = Tensor.take(arena, "f32", [layout.count], label);
    arena.backend.zero(this.tensor);
  }

  array(name: string): Tensor {
    const entry = this.layout.entry(name);
    return this.tensor.view(entry.shape, entry.offset, `${this.tensor.label}: ${name}`);
  }

  release(): void {
    this.tensor.release(`release of ${this.tensor.label}`);
  }
}
