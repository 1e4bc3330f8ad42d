/** Opens a model's weights, wherever they come from: headers only. `stored-weights.ts` says what comes back. */
import { statSync } from "node:fs";
import { basename, extname } from "node:path";
import { FileAccessError } from "../errors/file-access-error.ts";
import { FileFormatError } from "../errors/file-format-error.ts";
import { openGgufModel } from "./gguf-model.ts";
import { openHuggingFaceModel } from "./huggingface-model.ts";
import type { WeightSource } from "./stored-weights.ts";

export type { WeightSource } from "./stored-weights.ts";

/**
 * @param path a model folder or a `.gguf` file
 * @throws FileAccessError · FileFormatError · UnknownModelError
 */
export function openWeightSource(path: string): WeightSource {
  let isFolder: boolean;
  try {
    isFolder = statSync(path).isDirectory();
  } catch (cause) {
    throw new FileAccessError("Opening the model", path, cause);
  }
  if (isFolder) return openHuggingFaceModel(path);
  if (extname(path).toLowerCase() === ".gguf") return openGgufModel(path);
  throw new FileFormatError({
    format: "model",
    path,
    expected: "a folder or a .gguf file",
    found: basename(path),
    next: "Name the folder that the file is in.",
  });
}
