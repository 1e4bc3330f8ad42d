/** From what a user calls an adapter to its folder: a folder here, or a repository on the Hub (`hf://owner/name`, `owner/name@revision`). */
import { existsSync } from "node:fs";
import { join, resolve } from "node:path";
import { ModelNotFoundError } from "../errors/model-not-found-error.ts";
import { ensureSnapshot, type FetchOptions } from "./ensure-snapshot.ts";
import { expandHome } from "./hub-cache.ts";
import { parseModelReference } from "./model-reference.ts";

const NEEDED = ["adapter_config.json", "adapter_model.safetensors"];

/** @throws ModelNotFoundError when a repository is not an adapter or not to be had; a path that is not there is left to the loader to refuse */
export async function resolveAdapter(adapter: string, options: FetchOptions): Promise<string> {
  const path = expandHome(adapter, options.env);
  if (!adapter.startsWith("hf://") && existsSync(resolve(path))) return path;
  const reference = parseModelReference(adapter);
  if (reference.kind !== "hub" || reference.file !== undefined) return path;
  const { owner, name, revision } = reference;
  const refuse = (problem: string, next: string) => new ModelNotFoundError(adapter, problem, next);
  const { folder } = await ensureSnapshot({
    repository: { type: "model", owner, name },
    revision,
    choose: (files) => ({
      wanted: files.filter(({ path }) => !path.includes("/")), // below are checkpoints of the run, in many repositories
      skipped: files.filter(({ path }) => path.includes("/")),
    }),
    problemOf: missingIn,
    refuse,
    options,
  });
  const missing = missingIn(folder);
  if (missing) throw refuse(missing, "Name a repository that holds a LoRA adapter in PEFT's layout.");
  return folder;
}

function missingIn(folder: string): string | undefined {
  const missing = NEEDED.filter((name) => !existsSync(join(folder, name)));
  return missing.length > 0 ? `${folder} has no ${missing.join(" and no ")}` : undefined;
}
