/**
 * A loaded language model: weights on one device, the tables that its forward pass needs, and the adapters attached to it.
 * It computes hidden rows; losses, sampling and caches belong to training and generation.
 */
import type { ActivationDType, Backend } from "../backend/backend.ts";
import type { LinearGroup, LinearPart } from "../nn/linear-group.ts";
import { type LoraSite, LoraStore } from "../nn/lora.ts";
import { ropeTable } from "../nn/rope-table.ts";
import type { Arena } from "../tensor/arena.ts";
import { type HeadLossInput, headLoss } from "../tensor/ops/head-loss.ts";
import type { Tape } from "../tensor/tape.ts";
import { Tensor } from "../tensor/tensor.ts";
import { type Attend, type DecoderInput, type DecoderWeights, decoderForward } from "./decoder.ts";
import type { DecoderShape } from "./decoder-shape.ts";

/** Scratch for the logits of one chunk of rows is kept near this. */
const HEAD_CHUNK_BYTES = 96 * 2 ** 20;

/** Rows of logits that exist at once for a vocabulary of V entries. */
export function headChunkRows(vocabularySize: number): number {
  return Math.min(512, Math.max(64, Math.floor(HEAD_CHUNK_BYTES / (4 * vocabularySize))));
}

/** One linear of the model, as adapters name it. */
export interface NamedLinear {
  /** Path without `.weight`: `model.layers.0.self_attn.q_proj`. */
  readonly path: string;
  readonly inFeatures: number;
  readonly outFeatures: number;
  readonly group: LinearGroup;
  readonly part: LinearPart;
}

export class CausalLM {
  readonly shape: DecoderShape;
  readonly arena: Arena;
  readonly weights: DecoderWeights;
  /** Dtype of activations. */
  readonly dtype: ActivationDType;
  #lora: LoraStore | undefined;
  #ropeTables: Tensor[] = [];
  #ropePositions = 0;
  readonly #owned: { release(by?: string): void }[];

  constructor(
    shape: DecoderShape,
    arena: Arena,
    weights: DecoderWeights,
    dtype: ActivationDType,
    owned: readonly { release(by?: string): void }[],
  ) {
    this.shape = shape;
    this.arena = arena;
    this.weights = weights;
    this.dtype = dtype;
    this.#owned = [...owned];
  }

  get backend(): Backend {
    return this.arena.backend;
  }

  get lora(): LoraStore | undefined {
    return this.#lora;
  }

  /** Every linear inside the layers, in forward order. */
  *linears(): Generator<NamedLinear> {
    for (const layer of this.weights.layers) {
      for (const group of [layer.queryKeyValue, layer.attentionOutput, layer.gateUp, layer.down]) {
        for (const part of group.parts) {
          const { rows, cols } = part.parameter.weight;
          yield { path: part.parameter.path.replace(/\.weight$/, ""), inFeatures: cols, outFeatures: rows, group, part };
        }
      }
    }
  }

  /** Makes adapters for the sites (B zero, A undefined until initialized or loaded) and attaches them. Replaces earlier ones. */
  attachLora(sites: readonly LoraSite[], options: { trainable: boolean }): LoraStore {
    this.detachLora();
    const store = new LoraStore(this.arena, sites, options);
    const byPath = new Map(store.adapters.map((adapter) => [adapter.path, adapter]));
    for (const { path, group, part } of this.linears()) {
      part.lora = byPath.get(path);
      group.changed();
    }
    this.#lora = store;
    return store;
  }

  detachLora(): void {
    for (const { group, part } of this.linears()) {
      part.lora = undefined;
      group.setDropout(undefined);
    }
    this.#lora?.release();
    this.#lora = undefined;
  }

  /**
   * Runs `body` as if the adapters were not there: the base model's answer, for comparison.
   */
  withoutLora<T>(body: () => T): T {
    const attached = [...this.linears()].map(({ group, part }) => ({ group, part, lora: part.lora }));
    for (const { group, part } of attached) {
      part.lora = undefined;
      group.changed();
    }
    try {
      return body();
    } finally {
      for (const { group, part, lora } of attached) {
        part.lora = lora;
        group.changed();
      }
    }
  }

  /** Rope tables for sequences of up to `positions` tokens, made once. Call before a forward pass, not inside a captured step. */
  prepare(positions: number): void {
    if (positions <= this.#ropePositions) return;
    for (const table of new Set(this.#ropeTables)) table.release("longer rope tables");
    const made = new Map<string, Tensor>();
    this.#ropeTables = this.shape.layers.map(({ rope }) => {
      const key = JSON.stringify(rope);
      const before = made.get(key);
      if (before) return before;
      const table = Tensor.take(this.arena, "f32", [positions, rope.rotary / 2, 2], "rope table");
      const values = ropeTable(rope, positions);
      this.backend.upload(table, new Uint8Array(values.buffer));
      made.set(key, table);
      return table;
    });
    this.#ropePositions = positions;
  }

  /** @param ids, positions i32 [N]  @returns hidden rows after the last norm, act [N, C] */
  forward(tape: Tape, ids: Tensor, positions: Tensor, attend: Attend, step?: Pick<DecoderInput, "attendStep" | "cacheOf">): Tensor {
    const input = { ids, positions, attend, ...step, ropeTables: this.#ropeTables };
    return decoderForward(tape, this.shape, this.weights, this.dtype, input);
  }

  /** Losses of hidden rows against targets; see ops/head-loss.ts. */
  loss(tape: Tape, hidden: Tensor, input: HeadLossInput): void {
    headLoss(tape, hidden, this.weights.head, input, {
      chunkRows: headChunkRows(this.shape.vocabularySize),
      softcap: this.shape.logitSoftcap,
    });
  }

  dispose(): void {
    this.detachLora();
    for (const table of new Set(this.#ropeTables)) table.release("disposal of the model");
    this.#ropeTables = [];
    for (const owned of this.#owned.splice(0)) owned.release("disposal of the model");
  }
}
