/**
 * BERT-type encoders: every token sees every other of its text, norms stand behind the residual additions, positions are a learnt table.
 *
 *   h = norm(word[id] + position[p] + type[0])
 *   per layer:  h = norm(h + attend(q, k, v) W_o + b_o)          q|k|v = h W + b, not causal
 *               h = norm(h + gelu(h W_in + b_in) W_out + b_out)
 *
 * Texts are packed one behind the other; attention stays inside each (segments), so nothing is padded. Checked against Transformers 5.17
 * (`fixtures/data/encoders`).
 */
import type { ActivationDType, Backend } from "../backend/backend.ts";
import type { LinearGroup } from "../nn/linear-group.ts";
import type { Arena } from "../tensor/arena.ts";
import { attention } from "../tensor/ops/attention.ts";
import { embedding } from "../tensor/ops/embedding.ts";
import { gelu } from "../tensor/ops/gelu.ts";
import { type LayerNormParameters, layerNorm } from "../tensor/ops/layer-norm.ts";
import type { MatrixParameter } from "../tensor/parameter.ts";
import { Tape } from "../tensor/tape.ts";
import type { Tensor } from "../tensor/tensor.ts";
import type { EncoderShape } from "./encoder-shape.ts";

export interface EncoderLayer {
  readonly queryKeyValue: LinearGroup;
  readonly attentionOutput: LinearGroup;
  readonly attentionNorm: LayerNormParameters;
  readonly intermediate: LinearGroup;
  readonly output: LinearGroup;
  readonly outputNorm: LayerNormParameters;
}

export interface EncoderWeights {
  readonly words: MatrixParameter; // [V, C]
  readonly positions: MatrixParameter; // [positions, C]
  readonly types: MatrixParameter | undefined; // [types, C]
  readonly embeddingNorm: LayerNormParameters;
  readonly layers: readonly EncoderLayer[];
}

export class Encoder {
  readonly shape: EncoderShape;
  readonly dtype: ActivationDType;
  readonly #arena: Arena;
  readonly #weights: EncoderWeights;
  readonly #owned: { release(by?: string): void }[];

  constructor(
    shape: EncoderShape,
    arena: Arena,
    weights: EncoderWeights,
    dtype: ActivationDType,
    owned: readonly { release(by?: string): void }[],
  ) {
    this.shape = shape;
    this.dtype = dtype;
    this.#arena = arena;
    this.#weights = weights;
    this.#owned = [...owned];
  }

  get backend(): Backend {
    return this.#arena.backend;
  }

  /** Most tokens of one text, special tokens included. */
  get maxTokens(): number {
    return this.shape.positionRows - this.shape.firstPosition;
  }

  /**
   * The last hidden rows of a pack of texts.
   * @param texts ids of each, none empty and none longer than `maxTokens`
   * @returns f32 [N, C], N being all tokens of all texts in their order
   */
  async encode(texts: readonly (readonly number[])[]): Promise<Float32Array> {
    const rows = texts.reduce((sum, ids) => sum + ids.length, 0);
    const tape = new Tape(this.#arena, { recording: false });
    const { backend } = this;
    let result: Tensor | undefined;
    try {
      [result] = tape.scope("encoder", () => {
        const hidden = this.#forward(tape, texts, rows);
        if (this.dtype === "f32") return [hidden] as const;
        const wide = tape.allocate("f32", hidden.shape, "hidden rows");
        backend.convert(hidden, wide);
        return [wide] as const;
      });
      const bytes = await backend.download(result);
      return new Float32Array(bytes.buffer, bytes.byteOffset, bytes.byteLength / 4);
    } finally {
      result?.release("the end of encode");
    }
  }

  dispose(): void {
    for (const owned of this.#owned.splice(0)) owned.release("disposal of the encoder");
    this.#arena.dispose();
  }

  #forward(tape: Tape, texts: readonly (readonly number[])[], rows: number): Tensor {
    const { shape, dtype } = this;
    const weights = this.#weights;
    const eps = shape.layerNormEps;
    const columns = layOut(texts, rows, shape.firstPosition);
    const put = (values: Int32Array, label: string) => {
      const tensor = tape.allocate("i32", [rows], label);
      this.backend.upload(tensor, new Uint8Array(values.buffer));
      return tensor;
    };
    const segments = { start: put(columns.start, "segment start"), end: put(columns.end, "segment end") };
    let hidden = tape.scope("embeddings", () => {
      const sum = embedding(tape, put(columns.ids, "ids"), weights.words, dtype, 1); // [N, C]
      this.backend.add(embedding(tape, put(columns.positions, "positions"), weights.positions, dtype, 1), sum, 1);
      if (weights.types) this.backend.add(embedding(tape, put(new Int32Array(rows), "token types"), weights.types, dtype, 1), sum, 1);
      return [layerNorm(tape, sum, null, weights.embeddingNorm, eps)] as const;
    })[0];
    const rule = {
      heads: shape.heads,
      keyValueHeads: shape.heads,
      headDim: shape.headDim,
      scale: 1 / Math.sqrt(shape.headDim),
      causal: false,
      window: 0,
      softcap: 0,
    };
    for (const [index, layer] of weights.layers.entries()) {
      const before: Tensor = hidden;
      [hidden] = tape.scope(`layer ${index}`, () => {
        const attended = attention(tape, layer.queryKeyValue.forward(tape, before), segments, rule); // [N, H·D]
        const middle = layerNorm(tape, layer.attentionOutput.forward(tape, attended), before, layer.attentionNorm, eps);
        const activated = gelu(tape, layer.intermediate.forward(tape, middle), shape.activation); // [N, F]
        return [layerNorm(tape, layer.output.forward(tape, activated), middle, layer.outputNorm, eps)] as const;
      });
      tape.free(before);
    }
    return hidden;
  }
}

/** Packed rows: ids, positions, and the bounds of each row's own text, i32 [N] each. */
function layOut(texts: readonly (readonly number[])[], rows: number, firstPosition: number) {
  const columns = { ids: new Int32Array(rows), positions: new Int32Array(rows), start: new Int32Array(rows), end: new Int32Array(rows) };
  let row = 0;
  for (const ids of texts) {
    columns.ids.set(ids, row);
    columns.start.fill(row, row, row + ids.length);
    columns.end.fill(row + ids.length, row, row + ids.length);
    for (let i = 0; i < ids.length; i++) columns.positions[row + i] = firstPosition + i;
    row += ids.length;
  }
  return columns;
}
