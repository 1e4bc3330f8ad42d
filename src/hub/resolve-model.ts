/**
 * From what a user calls a model to the folder or file on this machine. Nothing is downloaded here: what is not in the Hugging Face cache is
 * an error that says how to get it.
 */
import { existsSync, readdirSync, statSync } from "node:fs";
import { join, resolve } from "node:path";
import { ModelNotFoundError } from "../errors/model-not-found-error.ts";
import { type Environment, expandHome, findInCache, hubCacheFolder } from "./hub-cache.ts";
import { inspectModelFolder } from "./model-folder.ts";
import { type HubReference, parseModelReference } from "./model-reference.ts";
import { packageFolder, shippedModelFolder, shippedModels } from "./shipped-models.ts";

export interface ResolveOptions {
  /** Nothing may be fetched. */
  readonly offline: boolean;
  /** HF_HOME, HF_HUB_CACHE, HOME … */
  readonly env: Environment;
  /** @default the root of this package; for tests */
  readonly packageRoot?: string;
}

export interface ResolvedModel {
  /** Absolute: a model folder, or a `.gguf` file. */
  readonly path: string;
  readonly kind: "folder" | "file";
  readonly origin: "local" | "shipped" | "hub";
  /** `owner/name`, when it came from the Hub. */
  readonly repository?: string;
  readonly commit?: string;
}

/** @throws ModelNotFoundError */
export async function resolveModel(model: string, options: ResolveOptions): Promise<ResolvedModel> {
  const local = model.includes(":") && !/^[A-Za-z]:[\\/]/.test(model) ? undefined : findLocal(model, options.env);
  if (local) return local;
  const reference = parseModelReference(model);
  switch (reference.kind) {
    case "path":
      throw new ModelNotFoundError(model, `there is no ${resolve(expandHome(reference.path, options.env))}`, "Check the path.");
    case "shipped":
      return resolveShipped(model, reference.name, options.packageRoot ?? packageFolder());
    case "hub":
      return resolveCached(model, reference, options);
    case "unknown":
      throw new ModelNotFoundError(
        model,
        "this is not a way to name a model",
        "Name a folder, a .gguf file, owner/name or owner/name@revision on the Hugging Face Hub, or a shipped model.",
      );
  }
}

/** A folder or file that is there wins over any other meaning of the text. */
function findLocal(model: string, env: Environment): ResolvedModel | undefined {
  const path = resolve(expandHome(model, env));
  const stat = statSync(path, { throwIfNoEntry: false });
  if (!stat) return undefined;
  if (stat.isDirectory()) return { ...checkFolder(model, path), origin: "local" };
  if (path.toLowerCase().endsWith(".gguf")) return { path, kind: "file", origin: "local" };
  throw new ModelNotFoundError(
    model,
    "expected a folder or a .gguf file, found another kind of file",
    "Name the folder that holds config.json.",
  );
}

function resolveShipped(model: string, name: string, root: string): ResolvedModel {
  const path = shippedModelFolder(name, root);
  if (existsSync(path)) return { ...checkFolder(model, path), origin: "shipped" };
  const names = shippedModels(root);
  throw new ModelNotFoundError(
    model,
    "there is no such folder here, and no shipped model of that name",
    names.length > 0
      ? `Shipped: ${names.join(", ")}. Models on the Hub are named owner/name.`
      : "Name a folder, a .gguf file, or owner/name on the Hugging Face Hub.",
  );
}

function resolveCached(model: string, reference: HubReference, options: ResolveOptions): ResolvedModel {
  const repository = `${reference.owner}/${reference.name}`;
  const revision = reference.revision ? ` --revision ${reference.revision}` : "";
  const download = `This version does not download: run \`hf download ${repository}${revision}\` where there is a network, or name a local folder.`;
  const cache = hubCacheFolder(options.env);
  const found = findInCache(cache, reference);
  if (found.kind === "no-repository") {
    throw new ModelNotFoundError(model, `there is no such folder here, and it is not in the Hugging Face cache (${cache})`, download);
  }
  if (found.kind === "no-revision") {
    throw new ModelNotFoundError(
      model,
      `revision ${found.revision} is not in the Hugging Face cache (${found.folder}); cached: ${found.cached.join(", ")}`,
      download,
    );
  }
  const origin = { origin: "hub", repository, commit: found.commit } as const;
  if (reference.file !== undefined) {
    const path = join(found.folder, reference.file);
    if (existsSync(path)) return { path, kind: "file", ...origin };
    throw new ModelNotFoundError(
      model,
      `the cached snapshot ${found.folder} has no ${reference.file}; it has ${listFiles(found.folder)}`,
      download,
    );
  }
  const inspected = inspectModelFolder(found.folder);
  if (inspected.kind === "problem")
    throw new ModelNotFoundError(
      model,
      `the cached snapshot is incomplete: ${inspected.problem}`,
      inspected.next.startsWith("Name one") ? inspected.next : download,
    );
  return { path: inspected.path, kind: inspected.kind, ...origin };
}

function checkFolder(model: string, path: string): { path: string; kind: "folder" | "file" } {
  const inspected = inspectModelFolder(path);
  if (inspected.kind === "problem") throw new ModelNotFoundError(model, inspected.problem, inspected.next);
  return inspected;
}

const listFiles = (folder: string): string => readdirSync(folder).sort().slice(0, 12).join(", ");
