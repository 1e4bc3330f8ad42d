/**
 * Writes a model's tensors into a folder: one file when they fit, else shards with an index, named as Transformers names them.
 *
 * Shards are put in place one by one and the index last; leftovers of an earlier save under the same base name are removed only then, because a
 * stale `model.safetensors` would win over a new index.
 */
import { readdir, rm } from "node:fs/promises";
import { join } from "node:path";
import { writeFileAtomically } from "./atomic-file.ts";
import { makeFolder } from "./make-folder.ts";
import { entryBytes, type TensorEntry, writeSafetensors } from "./safetensors-writer.ts";

export interface ShardOptions {
  /** @default 5e9, Transformers' own; what the Hub and older tools are used to. A larger tensor gets a shard of its own. */
  readonly maxShardBytes?: number;
  readonly metadata?: Readonly<Record<string, string>>;
  /** @default "model" */
  readonly baseName?: string;
}

const DEFAULT_SHARD_BYTES = 5e9;

/**
 * @returns names of the files written, the index included
 * @throws FileAccessError · RemoraError when an entry's bytes do not match its shape
 */
export async function writeSafetensorsFolder(
  folder: string,
  entries: readonly TensorEntry[],
  options: ShardOptions = {},
): Promise<string[]> {
  const { maxShardBytes = DEFAULT_SHARD_BYTES, metadata = { format: "pt" }, baseName = "model" } = options;
  makeFolder(folder, "Writing");
  const shards = splitIntoShards(entries, maxShardBytes);
  const single = `${baseName}.safetensors`;
  const written: string[] = [];
  if (shards.length === 1) {
    await writeSafetensors(join(folder, single), shards[0]!, metadata);
    written.push(single);
  } else {
    const weightMap: Record<string, string> = {};
    let totalBytes = 0;
    for (const [i, shard] of shards.entries()) {
      const name = `${baseName}-${String(i + 1).padStart(5, "0")}-of-${String(shards.length).padStart(5, "0")}.safetensors`;
      await writeSafetensors(join(folder, name), shard, metadata);
      written.push(name);
      for (const entry of shard) {
        weightMap[entry.name] = name;
        totalBytes += entryBytes(entry);
      }
    }
    const index = { metadata: { total_size: totalBytes }, weight_map: weightMap };
    await writeFileAtomically(join(folder, `${single}.index.json`), `${JSON.stringify(index, null, 2)}\n`);
    written.push(`${single}.index.json`);
  }
  await removeStale(folder, baseName, new Set(written));
  return written;
}

/** In the order given; a new shard begins where the next tensor would not fit. */
function splitIntoShards(entries: readonly TensorEntry[], maxShardBytes: number): TensorEntry[][] {
  const shards: TensorEntry[][] = [[]];
  let bytes = 0;
  for (const entry of entries) {
    const size = entryBytes(entry);
    if (bytes > 0 && bytes + size > maxShardBytes) {
      shards.push([]);
      bytes = 0;
    }
    shards.at(-1)!.push(entry);
    bytes += size;
  }
  return shards;
}

async function removeStale(folder: string, baseName: string, keep: ReadonlySet<string>): Promise<void> {
  const ours = (name: string): boolean =>
    name === `${baseName}.safetensors` ||
    name === `${baseName}.safetensors.index.json` ||
    (name.startsWith(`${baseName}-`) && /^-\d{5}-of-\d{5}\.safetensors$/.test(name.slice(baseName.length)));
  for (const name of await readdir(folder)) if (ours(name) && !keep.has(name)) await rm(join(folder, name));
}
