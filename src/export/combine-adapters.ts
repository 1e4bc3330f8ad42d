/**
 * Several adapters as one: `Σ weight · scale · B A` is exact when the ranks are stacked, A over A and B (with its factors) beside B.
 * One adapter with weight 1 stays as it is.
 */
import { dirname } from "node:path";
import { AdapterError } from "../errors/adapter-error.ts";
import { readTensorBytes } from "../formats/file-bytes.ts";
import type { SafetensorsView } from "../formats/safetensors-reader.ts";
import { type AdapterPart, readAdapter, type StoredAdapterPart } from "../models/adapter-file.ts";
import { decoderParameters } from "../models/decoder-parameters.ts";
import type { DecoderShape } from "../models/decoder-shape.ts";
import { decodeWeights } from "../quant/decode.ts";

export interface WeightedAdapter {
  readonly path: string;
  readonly weight: number;
}

/** One linear's update: `scale · B A`. */
export interface Delta extends AdapterPart {
  readonly scale: number;
}

export interface CombinedAdapter {
  readonly parts: readonly Delta[];
  readonly useRslora: boolean;
  readonly dropout: number;
  readonly baseModel: string | undefined;
}

/** @throws AdapterError also when an adapter was made for another base */
export function combineAdapters(adapters: readonly WeightedAdapter[], shape: DecoderShape, model: string): CombinedAdapter {
  const read = adapters.map((adapter) => ({ ...adapter, ...readAdapter(adapter.path) }));
  for (const { path, parts } of read) checkFits(path, parts, shape, model);
  const [first] = read;
  const shared = { dropout: first?.config.dropout ?? 0, baseModel: first?.config.baseModel };
  if (first && read.length === 1 && first.weight === 1) {
    const { useRslora } = first.config;
    const parts = first.parts.map((part) => {
      const { path, rank, scale } = part;
      return { path, rank, scale, a: values(part.a), b: values(part.b), alpha: scale * (useRslora ? Math.sqrt(rank) : rank) };
    });
    return { ...shared, parts, useRslora };
  }
  const byPath = new Map<string, { part: StoredAdapterPart; weight: number }[]>();
  for (const { parts, weight } of read) {
    for (const part of parts) byPath.set(part.path, [...(byPath.get(part.path) ?? []), { part, weight }]);
  }
  return { ...shared, useRslora: false, parts: [...byPath].map(([path, terms]) => stack(path, terms)) };
}

function stack(path: string, terms: readonly { part: StoredAdapterPart; weight: number }[]): Delta {
  const rank = terms.reduce((sum, { part }) => sum + part.rank, 0);
  const columns = terms[0]!.part.a.shape[1]!;
  const rows = terms[0]!.part.b.shape[0]!;
  const a = new Float32Array(rank * columns);
  const b = new Float32Array(rows * rank);
  let at = 0;
  for (const { part, weight } of terms) {
    a.set(values(part.a), at * columns);
    const right = values(part.b);
    const factor = weight * part.scale;
    for (let row = 0; row < rows; row++) {
      for (let r = 0; r < part.rank; r++) b[row * rank + at + r] = factor * right[row * part.rank + r]!;
    }
    at += part.rank;
  }
  return { path, rank, a, b, alpha: rank, scale: 1 };
}

function checkFits(folder: string, parts: readonly StoredAdapterPart[], shape: DecoderShape, model: string): void {
  const linears = new Map(
    decoderParameters(shape)
      .filter(({ role }) => role === "linear")
      .map((parameter) => [parameter.path.replace(/\.weight$/, ""), parameter.shape]),
  );
  for (const { path, a, b } of parts) {
    const expected = linears.get(path);
    const next = "The adapter was made for another base: its adapter_config.json names the one it belongs to.";
    if (!expected) throw new AdapterError(folder, `expected only linears of ${model}, found ${path}`, next);
    if (b.shape[0] !== expected[0] || a.shape[1] !== expected[1]) {
      throw new AdapterError(
        folder,
        `${path}: expected [${expected.join(", ")}] as in ${model}, found [${b.shape[0]}, ${a.shape[1]}]`,
        next,
      );
    }
  }
}

/** @throws AdapterError for numbers that no weight can be added to */
function values(view: SafetensorsView): Float32Array {
  const count = view.shape.reduce((product, size) => product * size, 1);
  const numbers = decodeWeights(view.dtype.toLowerCase() as "f32" | "f16" | "bf16", readTensorBytes(view), count);
  const wrong = numbers.findIndex((value) => !Number.isFinite(value));
  if (wrong < 0) return numbers;
  const problem = `"${view.name}": expected finite numbers, found ${numbers[wrong]} at element ${wrong}`;
  throw new AdapterError(dirname(view.path), problem, "Its training went wrong: take an earlier checkpoint of the run.");
}
