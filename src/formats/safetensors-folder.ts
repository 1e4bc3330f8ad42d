/**
 * The tensors of a model folder: `model.safetensors`, or shards with `model.safetensors.index.json`.
 *
 * The single file wins when both are there, as in Transformers. The index is checked against every shard's own header, so a name resolves to
 * exactly one place.
 */
import { existsSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { counted } from "../errors/counted.ts";
import { FileFormatError } from "../errors/file-format-error.ts";
import { readJsonObject } from "./json-file.ts";
import { readSafetensors, type SafetensorsView } from "./safetensors-reader.ts";
import { clip, describeValue, isObject } from "./untrusted-json.ts";

/** The largest open models have about 160 shards. */
const MAX_SHARDS = 4096;

/** Which files a folder's weights stand in, without reading them; undefined when the folder holds none. */
export function findSafetensors(folder: string, baseName = "model"): { kind: "single" | "index"; path: string } | undefined {
  const single = join(folder, `${baseName}.safetensors`);
  if (existsSync(single)) return { kind: "single", path: single };
  const index = `${single}.index.json`;
  return existsSync(index) ? { kind: "index", path: index } : undefined;
}

/**
 * Every tensor of a folder by name.
 * @throws FileFormatError for a folder without weights, a missing shard, a name in two shards, an index that points nowhere · FileAccessError
 */
export function readSafetensorsFolder(folder: string, baseName = "model"): ReadonlyMap<string, SafetensorsView> {
  const found = findSafetensors(folder, baseName);
  if (!found) throw noWeights(folder, baseName);
  return found.kind === "single" ? readSafetensors(found.path).tensors : readShards(folder, found.path);
}

function readShards(folder: string, indexPath: string): ReadonlyMap<string, SafetensorsView> {
  const fail = (where: string, expected: string, problem: string, next?: string): never => {
    throw new FileFormatError({ format: "safetensors index", path: indexPath, where, expected, found: problem, next });
  };
  const map = readJsonObject(indexPath).weight_map;
  if (!isObject(map)) return fail("weight_map", "an object from tensor names to shard files", describeValue(map));
  const shardOf = new Map<string, string>();
  for (const [name, shard] of Object.entries(map)) {
    // A plain file name: anything else could point outside the folder.
    if (typeof shard !== "string" || !/^[^/\\:]+\.safetensors$/.test(shard)) {
      return fail(`weight_map "${clip(name)}"`, "the name of a .safetensors file in the same folder", describeValue(shard));
    }
    shardOf.set(name, shard);
  }
  const shards = [...new Set(shardOf.values())].sort();
  if (shards.length > MAX_SHARDS) return fail("weight_map", `at most ${MAX_SHARDS} shards`, `${shards.length}`);
  const missing = shards.filter((shard) => !existsSync(join(folder, shard)));
  if (missing.length > 0) {
    fail(
      "weight_map",
      `${counted(shards.length, "shard")} beside it`,
      `${missing.length} missing: ${clip(missing.join(", "))}`,
      "Download the missing files into the same folder.",
    );
  }

  const tensors = new Map<string, SafetensorsView>();
  for (const shard of shards) {
    for (const [name, view] of readSafetensors(join(folder, shard)).tensors) {
      const listed = shardOf.get(name);
      if (listed !== undefined && listed !== shard) {
        fail(
          `tensor "${clip(name)}"`,
          `it in ${listed} only`,
          `it in ${shard} too`,
          "The folder mixes files of two saves: download it again into an empty folder.",
        );
      }
      // Tensors that the index does not list are leftovers of training tools; Transformers does not load them either.
      if (listed === shard) tensors.set(name, view);
    }
  }
  for (const [name, shard] of shardOf) {
    if (!tensors.has(name))
      fail(
        `tensor "${clip(name)}"`,
        `it in ${shard}`,
        "no such tensor there",
        "The folder mixes files of two saves: download it again into an empty folder.",
      );
  }
  return tensors;
}

function noWeights(folder: string, baseName: string): FileFormatError {
  const names = readdirSync(folder);
  const pickled = names.find((name) => /\.(bin|pth|pt|ckpt)$/.test(name));
  const gguf = names.find((name) => name.endsWith(".gguf"));
  return new FileFormatError({
    format: "model folder",
    path: folder,
    expected: `${baseName}.safetensors or ${baseName}.safetensors.index.json`,
    found: pickled ? `pickled weights (${pickled})` : gguf ? `a GGUF file (${gguf})` : "neither",
    next: pickled
      ? "Pickled files can run code and are not read: use a safetensors version of the model."
      : gguf
        ? `Name the file itself: ${join(folder, gguf)}`
        : "Download the model's weights into the folder.",
  });
}
