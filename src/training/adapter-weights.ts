/**
 * LoRA's trained weights as files: an adapter in PEFT's layout, f32, which is also what a checkpoint holds. Beside it stands `remora.json`
 * with the prompt template of the run, so that whoever asks the adapter wraps questions the way it learnt them.
 */
import { join } from "node:path";
import { writeFileAtomically } from "../formats/atomic-file.ts";
import { writeAdapter } from "../models/adapter-file.ts";
import { refillAdapter } from "../models/attach-adapter.ts";
import type { CausalLM } from "../models/causal-lm.ts";
import type { Tensor } from "../tensor/tensor.ts";
import type { TrainedWeights } from "./checkpoint.ts";

export interface AdapterNotes {
  readonly baseModel: string;
  /** A preset's name, or the template's own text. */
  readonly template: string;
  readonly dropout: number;
}

export const REMORA_NOTES_FILE = "remora.json";

export function adapterWeights(model: CausalLM, notes: AdapterNotes): TrainedWeights {
  const store = model.lora;
  if (!store) throw new Error("the model has no adapters to save");
  const values = async (tensor: Tensor) => {
    const bytes = await model.backend.download(tensor);
    return new Float32Array(bytes.buffer, bytes.byteOffset, bytes.byteLength / 4);
  };
  return {
    async save(folder) {
      const parts = [];
      for (const { path, settings } of store.sites) {
        const [a, b] = [await values(store.weights.array(`${path}.lora_A`)), await values(store.weights.array(`${path}.lora_B`))];
        parts.push({ path, a, b, rank: settings.rank, alpha: settings.alpha });
      }
      const useRslora = store.sites[0]?.settings.rankStabilized ?? false;
      await writeAdapter(folder, { parts, useRslora, dropout: notes.dropout, baseModel: notes.baseModel });
      await writeFileAtomically(join(folder, REMORA_NOTES_FILE), `${JSON.stringify({ template: notes.template }, null, 2)}\n`);
    },
    async load(folder) {
      refillAdapter(model, store, folder);
    },
  };
}
