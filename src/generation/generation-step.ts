/**
 * One step of asking: rows of new tokens (whole prompts, parts of prompts, single tokens of running answers, in any mix) go through the model
 * over the paged cache, and one token is drawn for each row that ends what is known of its sequence.
 *
 * All inputs are copied into fixed memory (step-inputs.ts); steps of single tokens are captured and replayed, one captured step for each number of rows.
 */
import type { CapturedWork } from "../backend/backend.ts";
import type { CausalLM } from "../models/causal-lm.ts";
import type { Attend, AttendStep } from "../models/decoder.ts";
import { Tape } from "../tensor/tape.ts";
import { Tensor } from "../tensor/tensor.ts";
import type { PagedCache } from "./paged-cache.ts";
import { type SequenceRows, StepInputs } from "./step-inputs.ts";

export interface DrawnToken {
  readonly id: number;
  /** Of the id under the model's own softmax, before penalties and temperature. */
  readonly logprob: number;
}

export class GenerationStep {
  readonly #model: CausalLM;
  readonly #cache: PagedCache;
  readonly #maxRows: number;
  readonly #inputs: StepInputs;
  /** i32 ids and then f32 log-probabilities of the tokens drawn in a step, one behind the other. */
  readonly #drawn: Tensor; // i32 [2 · slots]
  readonly #captured = new Map<number, CapturedWork>();

  constructor(model: CausalLM, cache: PagedCache, maxRows: number) {
    const { slots, positions } = cache;
    this.#model = model;
    this.#cache = cache;
    this.#maxRows = maxRows;
    this.#inputs = new StepInputs(model, { maxRows, slots, positions });
    this.#drawn = Tensor.take(model.arena, "i32", [2 * slots], "drawn tokens");
  }

  get maxRows(): number {
    return this.#maxRows;
  }

  /** @returns the drawn tokens of the sequences that asked for one, in order */
  async run(sequences: readonly SequenceRows[]): Promise<DrawnToken[]> {
    const rows = sequences.reduce((sum, { ids }) => sum + ids.length, 0);
    const count = sequences.filter((sequence) => sequence.draw).length;
    this.#inputs.upload(sequences, rows, count);
    this.#cache.sync();
    const single = rows === sequences.length;
    const work = this.#workOf(rows, count, single);
    if (single && rows === count) {
      // Only single tokens: the same work each time for this number of rows.
      const captured = this.#captured.get(rows);
      if (captured) captured.replay();
      else this.#captured.set(rows, this.#model.backend.capture(work));
    } else work();
    if (count === 0) return [];
    const drawn = await this.#model.backend.download(this.#drawn.view([2 * count]));
    const ids = new Int32Array(drawn.buffer, drawn.byteOffset, count);
    const logprobs = new Float32Array(drawn.buffer, drawn.byteOffset + 4 * count, count);
    return Array.from(ids, (id, index) => ({ id, logprob: logprobs[index]! }));
  }

  release(): void {
    for (const captured of this.#captured.values()) captured.release();
    this.#inputs.release();
    this.#drawn.release("the end of generation");
  }

  /** A function of its own: captured work lives as long as the generator, and a closure made in `run` would hold the requests that it was made for. */
  #workOf(rows: number, drawing: number, single: boolean): () => void {
    return () => this.#enqueue(rows, drawing, single);
  }

  /** @param single whether every row is the one new token of its sequence */
  #enqueue(rows: number, drawing: number, single: boolean): void {
    const { backend, arena, shape, weights, dtype } = this.#model;
    const inputs = this.#inputs.tensors(rows, drawing);
    const { ids, sequences, positions } = inputs;
    const tape = new Tape(arena, { recording: false });
    tape.scope("a generation step", () => {
      const attend: Attend = (on, layer, qkv, rule) => {
        const cache = this.#cache.operand(layer, sequences, positions);
        backend.cacheWrite(rule, qkv, cache);
        const out = on.allocate(dtype, [rows, rule.heads * rule.headDim], "attention output");
        backend.attentionPaged(rule, qkv, cache, out);
        return out;
      };
      const attendStep: AttendStep = (on, layer, qkv, rope, rule) => {
        const out = on.allocate(dtype, [rows, rule.heads * rule.headDim], "attention output");
        if (backend.attentionStep!(rope, rule, qkv, this.#cache.operand(layer, sequences, positions), out)) return out;
        on.free(out);
        return null;
      };
      const cacheOf = (layer: number) => this.#cache.operand(layer, sequences, positions);
      const step = single ? { attendStep: backend.attentionStep && attendStep, cacheOf } : undefined;
      const hidden = this.#model.forward(tape, ids, positions, attend, step); // [rows, C]
      if (drawing === 0) return [];
      const last = tape.allocate(dtype, [drawing, shape.hiddenSize], "last hidden rows");
      backend.gatherRows(hidden, inputs.drawRows, last);
      // Logits in f32: rounding them to bf16 would make ties of near neighbours.
      const logits = tape.allocate("f32", [drawing, shape.vocabularySize], "logits");
      if (!backend.logits?.(weights.head.weight, last, logits)) {
        const wide = tape.allocate("f32", [drawing, shape.hiddenSize], "last hidden rows in f32");
        backend.convert(last, wide);
        backend.linearForward({ parts: [{ weight: weights.head.weight }], dropout: 0 }, wide, logits, null);
      }
      const { params, seeds, drawSteps, history, historyLength } = inputs;
      const { memory, byteOffset } = this.#drawn;
      const logprobs = Tensor.over(memory, byteOffset + 4 * drawing, "f32", [drawing], "log-probabilities");
      backend.sample(logits, { params, seeds, steps: drawSteps, history, historyLength }, this.#drawn.view([drawing]), logprobs);
      return [];
    });
  }
}
