/** How a run of all weights is kept: Hugging Face folders, whatever its base was stored as; f32 in checkpoints, bf16 as its result. */
import { type CompanionSource, huggingFaceConfig, writeCompanions } from "../export/huggingface-companions.ts";
import type { Tokenizer } from "../text/tokenizer.ts";
import type { TrainedWeights } from "../training/checkpoint.ts";
import type { FullModel } from "../training/full-weights.ts";
import { modelWeights } from "../training/model-weights.ts";

/** @throws ExportError before anything is trained, for a base that a Hugging Face folder has no words for */
export function fullSaves(
  source: CompanionSource,
  tokenizer: Tokenizer,
): (full: FullModel) => { weights: TrainedWeights; result: TrainedWeights } {
  huggingFaceConfig(source, { dtype: "bf16" });
  const beside = (dtype: "f32" | "bf16") => (folder: string) => writeCompanions(folder, source, tokenizer, { dtype });
  return (full) => ({
    weights: modelWeights(full, "F32", beside("f32")),
    result: modelWeights(full, "BF16", beside("bf16")),
  });
}
