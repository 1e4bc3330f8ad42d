/**
 * One step of asking: rows of new tokens (whole prompts, parts of prompts, single tokens of running answers, in any mix) go through the model
 * over the paged cache, and one token is drawn for each row that ends what is known of its sequence.
 *
 * All inputs are copied into fixed buffers; steps of single tokens are captured and replayed, one captured step for each number of rows.
 */
import type { CapturedWork } from "../backend/backend.ts";
import type { CausalLM } from "../models/causal-lm.ts";
import type { Attend, AttendStep } from "../models/decoder.ts";
import { Tape } from "../tensor/tape.ts";
import { Tensor } from "../tensor/tensor.ts";
import type { PagedCache } from "./paged-cache.ts";
import type { SamplingSettings } from "./sampling.ts";

/** New tokens of one sequence. */
export interface SequenceRows {
  readonly slot: number;
  /** Position of the first new token. */
  readonly start: number;
  readonly ids: readonly number[];
  /** Set when a token is to be drawn after the last of these. */
  readonly draw?: { readonly settings: SamplingSettings; readonly step: number; readonly history: readonly number[] };
}

export interface DrawnToken {
  readonly id: number;
  /** Of the id under the model's own softmax, before penalties and temperature. */
  readonly logprob: number;
}

export class GenerationStep {
  readonly #model: CausalLM;
  readonly #cache: PagedCache;
  readonly #maxRows: number;
  readonly #inputs: Record<"ids" | "sequences" | "positions", Tensor>; // i32 [maxRows]
  readonly #draws: Record<"rows" | "steps" | "historyLength", Tensor>; // i32 [slots]
  readonly #params: Tensor; // f32 [slots, 5]
  readonly #seeds: Tensor; // u64 [slots]
  readonly #history: Tensor; // i32 [slots, positions]
  readonly #drawnIds: Tensor; // i32 [slots]
  readonly #logprobs: Tensor; // f32 [slots]
  readonly #captured = new Map<number, CapturedWork>();

  constructor(model: CausalLM, cache: PagedCache, maxRows: number) {
    const { arena } = model;
    const { slots } = cache;
    this.#model = model;
    this.#cache = cache;
    this.#maxRows = maxRows;
    const rows = (label: string) => Tensor.take(arena, "i32", [maxRows], label);
    const draws = (label: string) => Tensor.take(arena, "i32", [slots], label);
    this.#inputs = { ids: rows("new tokens"), sequences: rows("sequences"), positions: rows("positions") };
    this.#draws = { rows: draws("rows to draw after"), steps: draws("draw steps"), historyLength: draws("history lengths") };
    this.#params = Tensor.take(arena, "f32", [slots, 5], "sampling settings");
    this.#seeds = Tensor.take(arena, "u64", [slots], "sampling seeds");
    this.#history = Tensor.take(arena, "i32", [slots, cache.positions], "token history");
    this.#drawnIds = draws("drawn tokens");
    this.#logprobs = Tensor.take(arena, "f32", [slots], "log-probabilities");
  }

  get maxRows(): number {
    return this.#maxRows;
  }

  /** @returns the drawn tokens of the sequences that asked for one, in order */
  async run(sequences: readonly SequenceRows[]): Promise<DrawnToken[]> {
    const rows = sequences.reduce((sum, { ids }) => sum + ids.length, 0);
    const drawing = sequences.filter((sequence) => sequence.draw);
    this.#uploadRows(sequences, rows);
    this.#uploadDraws(sequences, drawing);
    this.#cache.sync();
    const single = rows === sequences.length;
    const work = this.#workOf(rows, drawing.length, single);
    if (single && rows === drawing.length) {
      // Only single tokens: the same work each time for this number of rows.
      const captured = this.#captured.get(rows);
      if (captured) captured.replay();
      else this.#captured.set(rows, this.#model.backend.capture(work));
    } else work();
    if (drawing.length === 0) return [];
    const { backend } = this.#model;
    const count = drawing.length;
    const [ids, logprobs] = await Promise.all([
      backend.download(this.#drawnIds.view([count])),
      backend.download(this.#logprobs.view([count])),
    ]);
    const idView = new Int32Array(ids.buffer, ids.byteOffset, count);
    const logprobView = new Float32Array(logprobs.buffer, logprobs.byteOffset, count);
    return Array.from(idView, (id, index) => ({ id, logprob: logprobView[index]! }));
  }

  release(): void {
    for (const captured of this.#captured.values()) captured.release();
    const tensors = [...Object.values(this.#inputs), ...Object.values(this.#draws)];
    for (const tensor of [...tensors, this.#params, this.#seeds, this.#history, this.#drawnIds, this.#logprobs]) {
      tensor.release("the end of generation");
    }
  }

  /** A function of its own: captured work lives as long as the generator, and a closure made in `run` would hold the requests that it was made for. */
  #workOf(rows: number, drawing: number, single: boolean): () => void {
    return () => this.#enqueue(rows, drawing, single);
  }

  /** @param single whether every row is the one new token of its sequence */
  #enqueue(rows: number, drawing: number, single: boolean): void {
    const { backend, arena, shape, weights, dtype } = this.#model;
    const ids = this.#inputs.ids.view([rows]);
    const sequences = this.#inputs.sequences.view([rows]);
    const positions = this.#inputs.positions.view([rows]);
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
      const inOne = single && backend.attentionStep ? attendStep : undefined;
      const hidden = this.#model.forward(tape, ids, positions, attend, inOne); // [rows, C]
      if (drawing === 0) return [];
      const last = tape.allocate(dtype, [drawing, shape.hiddenSize], "last hidden rows");
      backend.gatherRows(hidden, this.#draws.rows.view([drawing]), last);
      // Logits in f32: rounding them to bf16 would make ties of near neighbours.
      const wide = tape.allocate("f32", [drawing, shape.hiddenSize], "last hidden rows in f32");
      backend.convert(last, wide);
      const logits = tape.allocate("f32", [drawing, shape.vocabularySize], "logits");
      backend.linearForward({ parts: [{ weight: weights.head.weight }], dropout: 0 }, wide, logits, null);
      backend.sample(
        logits,
        {
          params: this.#params.view([drawing, 5]),
          seeds: this.#seeds.view([drawing]),
          steps: this.#draws.steps.view([drawing]),
          history: this.#history.view([drawing, this.#cache.positions]),
          historyLength: this.#draws.historyLength.view([drawing]),
        },
        this.#drawnIds.view([drawing]),
        this.#logprobs.view([drawing]),
      );
      return [];
    });
  }

  #uploadRows(sequences: readonly SequenceRows[], rows: number): void {
    const ids = new Int32Array(rows);
    const slots = new Int32Array(rows);
    const positions = new Int32Array(rows);
    let row = 0;
    for (const sequence of sequences) {
      for (const [offset, id] of sequence.ids.entries()) {
        ids[row] = id;
        slots[row] = sequence.slot;
        positions[row++] = sequence.start + offset;
      }
    }
    this.#put(this.#inputs.ids.view([rows]), ids);
    this.#put(this.#inputs.sequences.view([rows]), slots);
    this.#put(this.#inputs.positions.view([rows]), positions);
  }

  #uploadDraws(sequences: readonly SequenceRows[], drawing: readonly SequenceRows[]): void {
    const count = drawing.length;
    if (count === 0) return;
    const lastRows = new Int32Array(count);
    let row = 0;
    let index = 0;
    for (const sequence of sequences) {
      row += sequence.ids.length;
      if (sequence.draw) lastRows[index++] = row - 1;
    }
    const params = new Float32Array(count * 5);
    const seeds = new BigUint64Array(count);
    const steps = new Int32Array(count);
    const lengths = new Int32Array(count);
    for (const [at, { draw }] of drawing.entries()) {
      const { settings, step, history } = draw!;
      const { temperature, topK, topP, minP, repetitionPenalty } = settings;
      params.set([temperature, topK, topP, minP, repetitionPenalty], at * 5);
      seeds[at] = BigInt(settings.seed);
      steps[at] = step;
      if (repetitionPenalty === 1) continue;
      lengths[at] = history.length;
      this.#put(this.#history.view([history.length], at * this.#cache.positions), Int32Array.from(history));
    }
    this.#put(this.#draws.rows.view([count]), lastRows);
    this.#put(this.#params.view([count, 5]), params);
    this.#put(this.#seeds.view([count]), seeds);
    this.#put(this.#draws.steps.view([count]), steps);
    this.#put(this.#draws.historyLength.view([count]), lengths);
  }

  #put(tensor: Tensor, values: Int32Array | Float32Array | BigUint64Array): void {
    this.#model.backend.upload(tensor, new Uint8Array(values.buffer, values.byteOffset, values.byteLength));
  }
}
