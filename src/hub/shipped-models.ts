/** The models that come with the package, in its `models/` folder. */
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { inspectModelFolder } from "./model-folder.ts";

/** The root of this package, from the sources as well as from `dist`: the nearest folder above whose package.json is ours. */
export function packageFolder(): string {
  for (let folder = dirname(fileURLToPath(import.meta.url)); ; folder = dirname(folder)) {
    const file = join(folder, "package.json");
    if (existsSync(file) && JSON.parse(readFileSync(file, "utf8")).name === "remora") return folder;
    if (dirname(folder) === folder) return folder;
  }
}

/** Names of the shipped models, by alphabet: folders of weights, or of one GGUF file. */
export function shippedModels(root: string = packageFolder()): string[] {
  const models = join(root, "models");
  if (!existsSync(models)) return [];
  return readdirSync(models, { withFileTypes: true })
    .filter((entry) => entry.isDirectory() && inspectModelFolder(join(models, entry.name)).kind !== "problem")
    .map((entry) => entry.name)
    .sort();
}

/** The small model that ships: the demo, the examples and the tests stand on it. */
export const SMALL_MODEL = "remora-tiny";

export const shippedModelFolder = (name: string, root: string = packageFolder()): string => join(root, "models", name);

export function packageVersion(): string {
  return (JSON.parse(readFileSync(join(packageFolder(), "package.json"), "utf8")) as { version: string }).version;
}
