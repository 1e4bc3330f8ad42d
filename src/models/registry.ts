/** Which family reads a `model_type`. To add a model: docs/add/model.md. */
import { UnknownModelError } from "../errors/unknown-model-error.ts";
import type { DecoderShape, ModelFamily } from "./decoder-shape.ts";
import { gemma } from "./gemma.ts";
import { llama } from "./llama.ts";
import { phi } from "./phi.ts";
import { qwen } from "./qwen.ts";

const FAMILIES: readonly ModelFamily[] = [llama, qwen, gemma, phi];

/** Every `model_type` that remora can run. */
function supportedModelTypes(): string[] {
  return FAMILIES.flatMap((family) => family.modelTypes);
}

/** @throws UnknownModelError, ConfigValueError */
export function readDecoderShape(config: Readonly<Record<string, unknown>>, where: string): DecoderShape {
  const modelType = typeof config.model_type === "string" ? config.model_type : undefined;
  const family = FAMILIES.find((candidate) => modelType !== undefined && candidate.modelTypes.includes(modelType));
  if (!family) throw new UnknownModelError(where, modelType, supportedModelTypes());
  return family.readShape(config);
}
