/**
 * What a step of asking reads that the host knows, in fixed device memory: the ids by themselves (the device looks them over), everything else packed
 * into one piece, since each copy to a card costs as much as thousands of bytes. Where things lie depends on the numbers of rows and draws only, so
 * that a captured step finds them again.
 */
import type { Backend } from "../backend/backend.ts";
import type { CausalLM } from "../models/causal-lm.ts";
import { Tensor } from "../tensor/tensor.ts";
import type { SamplingSettings } from "./sampling.ts";

/** temperature, top-k, top-p, min-p, repetition penalty: see SamplingOperand. */
const PARAMS = 5;

/** New tokens of one sequence. */
export interface SequenceRows {
  readonly slot: number;
  /** Position of the first new token. */
  readonly start: number;
  readonly ids: readonly number[];
  /** Set when a token is to be drawn after the last of these. */
  readonly draw?: { readonly settings: SamplingSettings; readonly step: number; readonly history: readonly number[] };
}

/** Tensors of one step, all views: of `rows` new tokens, and of `draws` tokens to draw. */
export interface StepTensors {
  readonly ids: Tensor; // i32 [rows]
  readonly sequences: Tensor; // i32 [rows]
  readonly positions: Tensor; // i32 [rows]
  readonly drawRows: Tensor; // i32 [draws], the row after which each is drawn
  readonly drawSteps: Tensor; // i32 [draws]
  readonly seeds: Tensor; // u64 [draws]
  readonly params: Tensor; // f32 [draws, 5]
  readonly history: Tensor; // i32 [draws, positions]
  readonly historyLength: Tensor; // i32 [draws]
}

/** Bytes from the start of the packed piece; the 8-byte values come first. */
function layout(rows: number, draws: number) {
  const params = 8 * draws;
  const drawRows = params + 4 * PARAMS * draws;
  const drawSteps = drawRows + 4 * draws;
  const historyLength = drawSteps + 4 * draws;
  const sequences = historyLength + 4 * draws;
  const positions = sequences + 4 * rows;
  return { seeds: 0, params, drawRows, drawSteps, historyLength, sequences, positions, bytes: positions + 4 * rows };
}

export class StepInputs {
  readonly #backend: Backend;
  readonly #ids: Tensor; // i32 [maxRows]
  readonly #packed: Tensor; // u8
  readonly #history: Tensor; // i32 [slots, positions]
  readonly #positions: number;

  constructor({ arena, backend }: CausalLM, size: { maxRows: number; slots: number; positions: number }) {
    this.#backend = backend;
    this.#positions = size.positions;
    this.#ids = Tensor.take(arena, "i32", [size.maxRows], "new tokens");
    this.#packed = Tensor.take(arena, "u8", [layout(size.maxRows, size.slots).bytes], "inputs of a step");
    this.#history = Tensor.take(arena, "i32", [size.slots, size.positions], "token history");
  }

  tensors(rows: number, draws: number): StepTensors {
    const at = layout(rows, draws);
    const { memory, byteOffset } = this.#packed;
    const part = (dtype: "i32" | "f32" | "u64", offset: number, shape: readonly number[], label: string) =>
      Tensor.over(memory, byteOffset + offset, dtype, shape, label);
    return {
      ids: this.#ids.view([rows]),
      sequences: part("i32", at.sequences, [rows], "sequences"),
      positions: part("i32", at.positions, [rows], "positions"),
      drawRows: part("i32", at.drawRows, [draws], "rows to draw after"),
      drawSteps: part("i32", at.drawSteps, [draws], "draw steps"),
      seeds: part("u64", at.seeds, [draws], "sampling seeds"),
      params: part("f32", at.params, [draws, PARAMS], "sampling settings"),
      history: this.#history.view([draws, this.#positions]),
      historyLength: part("i32", at.historyLength, [draws], "history lengths"),
    };
  }

  /** @param rows, draws of all sequences together */
  upload(sequences: readonly SequenceRows[], rows: number, draws: number): void {
    const at = layout(rows, draws);
    const bytes = new ArrayBuffer(at.bytes);
    const ids = new Int32Array(rows);
    const slots = new Int32Array(bytes, at.sequences, rows);
    const positions = new Int32Array(bytes, at.positions, rows);
    const drawRows = new Int32Array(bytes, at.drawRows, draws);
    const drawSteps = new Int32Array(bytes, at.drawSteps, draws);
    const historyLength = new Int32Array(bytes, at.historyLength, draws);
    const params = new Float32Array(bytes, at.params, PARAMS * draws);
    const seeds = new BigUint64Array(bytes, at.seeds, draws);
    let row = 0;
    let index = 0;
    for (const { slot, start, ids: tokens, draw } of sequences) {
      ids.set(tokens, row);
      slots.fill(slot, row, row + tokens.length);
      for (let offset = 0; offset < tokens.length; offset++) positions[row + offset] = start + offset;
      row += tokens.length;
      if (!draw) continue;
      const { temperature, topK, topP, minP, repetitionPenalty } = draw.settings;
      drawRows[index] = row - 1;
      drawSteps[index] = draw.step;
      seeds[index] = BigInt(draw.settings.seed);
      params.set([temperature, topK, topP, minP, repetitionPenalty], index * PARAMS);
      if (repetitionPenalty !== 1) {
        historyLength[index] = draw.history.length;
        this.#put(this.#history.view([draw.history.length], index * this.#positions), Int32Array.from(draw.history));
      }
      index++;
    }
    this.#put(this.#ids.view([rows]), ids);
    this.#put(this.#packed.view([at.bytes]), new Uint8Array(bytes));
  }

  release(): void {
    for (const tensor of [this.#ids, this.#packed, this.#history]) tensor.release("the end of generation");
  }

  #put(tensor: Tensor, values: Int32Array | Uint8Array): void {
    this.#backend.upload(tensor, new Uint8Array(values.buffer, values.byteOffset, values.byteLength));
  }
}
