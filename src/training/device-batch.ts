/** The device's copy of one batch: fixed buffers that each step's data is copied into, because a captured step reads fixed addresses. */
import type { Batch } from "../data/batch.ts";
import type { Arena } from "../tensor/arena.ts";
import { Tensor } from "../tensor/tensor.ts";

export class DeviceBatch {
  readonly tokens: Tensor; // i32 [N]
  readonly targets: Tensor; // i32 [N], -1 is not trained
  readonly positions: Tensor; // i32 [N]
  readonly segments: { readonly start: Tensor; readonly end: Tensor }; // i32 [N]
  readonly #arena: Arena;

  /** @param rows N: all tokens of a batch, padding included */
  constructor(arena: Arena, rows: number) {
    const make = (label: string) => Tensor.take(arena, "i32", [rows], label);
    this.#arena = arena;
    this.tokens = make("batch tokens");
    this.targets = make("batch targets");
    this.positions = make("batch positions");
    this.segments = { start: make("segment starts"), end: make("segment ends") };
  }

  upload(batch: Batch): void {
    const put = (tensor: Tensor, values: Int32Array) =>
      this.#arena.backend.upload(tensor, new Uint8Array(values.buffer, values.byteOffset, values.byteLength));
    put(this.tokens, batch.tokens);
    put(this.targets, batch.targets);
    put(this.positions, batch.positions);
    put(this.segments.start, batch.segmentStart);
    put(this.segments.end, batch.segmentEnd);
  }

  release(): void {
    for (const tensor of [this.tokens, this.targets, this.positions, this.segments.start, this.segments.end])
      tensor.release("a batch's end");
  }
}
