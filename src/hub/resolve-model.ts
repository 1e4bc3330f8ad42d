/**
 * From what a user calls a model to the folder or file on this machine. A repository of the Hub that is in the cache is used as it is,
 * without asking the network; one that is not is pulled, unless the network may not be used.
 */
import { existsSync, statSync } from "node:fs";
import { join, resolve } from "node:path";
import { ModelNotFoundError } from "../errors/model-not-found-error.ts";
import { ensureSnapshot, type FetchOptions } from "./ensure-snapshot.ts";
import { type Environment, expandHome } from "./hub-cache.ts";
import { inspectModelFolder, missingWeights } from "./model-folder.ts";
import { type HubReference, parseModelReference } from "./model-reference.ts";
import { chooseModelFiles } from "./pull/choose-files.ts";
import { packageFolder, shippedModelFolder, shippedModels } from "./shipped-models.ts";

export interface ResolveOptions extends FetchOptions {
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
  const local = /^(shipped:|hf:\/\/)/.test(model) ? undefined : findLocal(model, options.env);
  if (local) return local;
  const reference = parseModelReference(model);
  switch (reference.kind) {
    case "path":
      throw new ModelNotFoundError(model, `there is no ${resolve(expandHome(reference.path, options.env))}`, "Check the path.");
    case "shipped":
      return resolveShipped(model, reference.name, options.packageRoot ?? packageFolder());
    case "hub":
      return resolveHub(model, reference, options);
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

async function resolveHub(model: string, reference: HubReference, options: ResolveOptions): Promise<ResolvedModel> {
  const { owner, name, revision, file } = reference;
  const { folder, commit } = await ensureSnapshot({
    repository: { type: "model", owner, name },
    revision,
    choose: (files) => chooseModelFiles(files, { doing: `Choosing the files of ${owner}/${name}`, file }),
    problemOf: (snapshot) => problemOf(snapshot, file, options.offline),
    refuse: (problem, next) => new ModelNotFoundError(model, problem, next),
    options,
  });
  const origin = { origin: "hub", repository: `${owner}/${name}`, commit } as const;
  if (file !== undefined) return { path: join(folder, file), kind: "file", ...origin };
  return { ...checkFolder(model, folder), ...origin };
}

/** Why a cached snapshot cannot be used as it is: other tools fetch single files, and may have been interrupted. */
function problemOf(snapshot: string, file: string | undefined, offline: boolean): string | undefined {
  if (file !== undefined) return existsSync(join(snapshot, file)) ? undefined : `it has no ${file}`;
  const inspected = inspectModelFolder(snapshot);
  // Several GGUF files, or an adapter: whole, but not what was meant. The check of the folder says so.
  if (inspected.kind === "problem") return inspected.isEmpty ? inspected.problem : undefined;
  // Without a network a tokenizer alone is still good for `data preview`; whoever needs the weights will say so.
  return inspected.kind === "folder" && !offline ? missingWeights(snapshot) : undefined;
}

function checkFolder(model: string, path: string): { path: string; kind: "folder" | "file" } {
  const inspected = inspectModelFolder(path);
  if (inspected.kind === "problem") throw new ModelNotFoundError(model, inspected.problem, inspected.next);
  return inspected;
}
