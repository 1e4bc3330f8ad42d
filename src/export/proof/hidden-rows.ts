/**
 * A model's last hidden rows where a proof looks. They are small: a vocabulary of 131,072 needs 4 MB for the logits of eight tokens, the hidden rows
 * of all the tokens of a proof fit in as much. So models are asked one after the other, and logits are made side by side later.
 */
import { emptyBatch, placeSegment } from "../../data/batch.ts";
import type { CausalLM } from "../../models/causal-lm.ts";
import { EMBEDDING_PATH, HEAD_PATH } from "../../models/decoder-parameters.ts";
import type { DecoderShape } from "../../models/decoder-shape.ts";
import { find } from "../../models/load-model.ts";
import { loadMatrix } from "../../models/load-weights.ts";
import type { WeightSource } from "../../models/stored-weights.ts";
import type { Arena } from "../../tensor/arena.ts";
import { attention } from "../../tensor/ops/attention.ts";
import type { MatrixParameter } from "../../tensor/parameter.ts";
import { Tape } from "../../tensor/tape.ts";
import { Tensor } from "../../tensor/tensor.ts";
import type { ProofRow } from "./proof-rows.ts";

/** Tokens of one forward pass, except where a row is longer. */
const BATCH_TOKENS = 1024;

/** @returns f32 [tokens scored, C]: for each scored token the hidden row that foretells it, rows in order */
export async function hiddenRows(model: CausalLM, rows: readonly ProofRow[]): Promise<Float32Array> {
  model.prepare(Math.max(...rows.map(({ ids }) => ids.length)));
  const parts: Float32Array[] = [];
  for (const group of groupRows(rows)) parts.push(await hiddenOfGroup(model, group));
  const all = new Float32Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    all.set(part, at);
    at += part.length;
  }
  return all;
}

function groupRows(rows: readonly ProofRow[]): ProofRow[][] {
  const groups: ProofRow[][] = [];
  let tokens = Number.POSITIVE_INFINITY;
  for (const row of rows) {
    if (tokens + row.ids.length > BATCH_TOKENS) {
      groups.push([]);
      tokens = 0;
    }
    groups.at(-1)!.push(row);
    tokens += row.ids.length;
  }
  return groups;
}

async function hiddenOfGroup(model: CausalLM, rows: readonly ProofRow[]): Promise<Float32Array> {
  const { arena, backend, shape } = model;
  const batch = emptyBatch(
    1,
    rows.reduce((sum, { ids }) => sum + ids.length, 0),
    0,
  );
  const wanted: number[] = [];
  let at = 0;
  for (const [index, { ids, scored }] of rows.entries()) {
    placeSegment(batch, at, ids, scored, index);
    for (let i = 1; i < ids.length; i++) if (scored[i]) wanted.push(at + i - 1);
    at += ids.length;
  }
  const owned: Tensor[] = [];
  const put = (values: Int32Array, label: string) => {
    const tensor = Tensor.take(arena, "i32", [values.length], label);
    owned.push(tensor);
    backend.upload(tensor, new Uint8Array(values.buffer, values.byteOffset, values.byteLength));
    return tensor;
  };
  try {
    const tokens = put(batch.tokens, "proof tokens");
    const positions = put(batch.positions, "proof positions");
    const segments = { start: put(batch.segmentStart, "proof segments"), end: put(batch.segmentEnd, "proof segments") };
    const index = put(Int32Array.from(wanted), "scored rows");
    const picked = Tensor.take(arena, model.dtype, [wanted.length, shape.hiddenSize], "hidden rows");
    const wide = Tensor.take(arena, "f32", [wanted.length, shape.hiddenSize], "hidden rows, f32");
    owned.push(picked, wide);
    const tape = new Tape(arena, { recording: false });
    tape.scope("proof", () => {
      const hidden = model.forward(tape, tokens, positions, (on, _layer, qkv, rule) => attention(on, qkv, segments, rule));
      backend.gatherRows(hidden, index, picked);
      return [];
    });
    backend.convert(picked, wide);
    return floats(await backend.download(wide));
  } finally {
    for (const tensor of owned) tensor.release("the end of a proof's batch");
  }
}

/** A model's head alone, as its loader holds it. */
export function loadHead(arena: Arena, source: WeightSource, shape: DecoderShape): Promise<MatrixParameter> {
  const path = shape.tiedHead ? EMBEDDING_PATH : HEAD_PATH;
  return loadMatrix(arena, find(source, path), shape.vocabularySize, shape.hiddenSize, "file");
}

/** Logits of rows [row, row + count) of `hidden`. */
export async function logitsOf(
  arena: Arena,
  shape: DecoderShape,
  head: MatrixParameter,
  hidden: Float32Array,
  row: number,
  count: number,
): Promise<Float32Array> {
  const { backend } = arena;
  const { hiddenSize: C, vocabularySize: V, logitSoftcap: cap } = shape;
  const x = Tensor.take(arena, "f32", [count, C], "hidden rows");
  const y = Tensor.take(arena, "f32", [count, V], "logits");
  try {
    const part = hidden.subarray(row * C, (row + count) * C);
    backend.upload(x, new Uint8Array(part.buffer, part.byteOffset, part.byteLength));
    backend.linearForward({ parts: [{ weight: head.weight }], dropout: 0 }, x, y, null);
    const logits = floats(await backend.download(y));
    return cap > 0 ? logits.map((value) => cap * Math.tanh(value / cap)) : logits;
  } finally {
    for (const tensor of [x, y]) tensor.release("the end of a proof's rows");
  }
}

const floats = (bytes: Uint8Array): Float32Array => new Float32Array(bytes.buffer, bytes.byteOffset, bytes.byteLength / 4);
