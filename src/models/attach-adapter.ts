/** A PEFT adapter from disk onto a loaded model. */
import { AdapterError } from "../errors/adapter-error.ts";
import { readTensorBytes } from "../formats/file-bytes.ts";
import type { SafetensorsView } from "../formats/safetensors-reader.ts";
import type { LoraStore } from "../nn/lora.ts";
import { decodeWeights } from "../quant/decode.ts";
import type { Tensor } from "../tensor/tensor.ts";
import { readAdapter, type StoredAdapterPart } from "./adapter-file.ts";
import type { CausalLM } from "./causal-lm.ts";

/** Makes adapters for what the folder holds and fills them. @throws AdapterError when it was made for another model */
export function attachAdapter(model: CausalLM, folder: string, options: { trainable: boolean }): LoraStore {
  const { parts, config } = readAdapter(folder);
  const linears = new Map([...model.linears()].map((linear) => [linear.path, linear]));
  const sites = parts.map(({ path, rank, scale, a, b }) => {
    const linear = linears.get(path);
    if (!linear)
      throw new AdapterError(folder, `it adapts ${path}, which this model does not have`, "Use the base that it was trained on.");
    const [inFeatures, outFeatures] = [a.shape[1]!, b.shape[0]!];
    if (inFeatures !== linear.inFeatures || outFeatures !== linear.outFeatures) {
      const problem = `${path}: expected In ${linear.inFeatures} and Out ${linear.outFeatures} of this model, found ${inFeatures} and ${outFeatures}`;
      throw new AdapterError(folder, problem, "Use the base that it was trained on.");
    }
    const rankStabilized = config.useRslora;
    return { path, inFeatures, outFeatures, settings: { rank, alpha: scale * (rankStabilized ? Math.sqrt(rank) : rank), rankStabilized } };
  });
  const store = model.attachLora(sites, options);
  fillAdapter(model, store, parts);
  return store;
}

/** Fills adapters that exist already. @throws AdapterError when the folder holds others */
export function refillAdapter(model: CausalLM, store: LoraStore, folder: string): void {
  const { parts } = readAdapter(folder);
  const wanted = store.sites.map(({ path }) => path).sort();
  if (
    parts
      .map(({ path }) => path)
      .sort()
      .join() !== wanted.join()
  ) {
    throw new AdapterError(
      folder,
      `expected adapters of ${wanted.length} linears, found others (${parts.length})`,
      "It belongs to a run with other targets.",
    );
  }
  fillAdapter(model, store, parts);
}

function fillAdapter(model: CausalLM, store: LoraStore, parts: readonly StoredAdapterPart[]): void {
  for (const { path, a, b } of parts) {
    upload(model, store.weights.array(`${path}.lora_A`), a);
    upload(model, store.weights.array(`${path}.lora_B`), b);
  }
}

function upload(model: CausalLM, tensor: Tensor, view: SafetensorsView): void {
  const count = view.shape.reduce((product, size) => product * size, 1);
  const values = decodeWeights(view.dtype.toLowerCase() as "f32" | "f16" | "bf16", readTensorBytes(view), count);
  model.backend.upload(tensor, new Uint8Array(values.buffer, values.byteOffset, values.byteLength));
}
