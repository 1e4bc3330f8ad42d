/** A combined adapter laid over a loaded model, unmerged: what a save is compared with. */
import type { CausalLM } from "../models/causal-lm.ts";
import type { CombinedAdapter } from "./combine-adapters.ts";

export function attachCombined(model: CausalLM, { parts, useRslora }: CombinedAdapter): void {
  if (parts.length === 0) return;
  const sites = parts.map(({ path, a, b, rank, alpha }) => ({
    path,
    inFeatures: a.length / rank,
    outFeatures: b.length / rank,
    settings: { rank, alpha, rankStabilized: useRslora },
  }));
  const store = model.attachLora(sites, { trainable: false });
  for (const { path, a, b } of parts) {
    model.backend.upload(store.weights.array(`${path}.lora_A`), bytesOf(a));
    model.backend.upload(store.weights.array(`${path}.lora_B`), bytesOf(b));
  }
}

const bytesOf = (array: Float32Array): Uint8Array => new Uint8Array(array.buffer, array.byteOffset, array.byteLength);
