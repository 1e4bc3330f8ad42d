/**
 * Writes safetensors files whose tensors come in groups that are made together: an NF4 matrix gives codes, scales and a blob at once, but the file
 * wants all f32 tensors before all u8 ones. Every place is known beforehand, so each piece is written where it belongs, in whatever order it comes.
 */
import { join } from "node:path";
import { RemoraError } from "../errors/remora-error.ts";
import { AtomicFile, writeFileAtomically } from "./atomic-file.ts";
import { makeFolder } from "./make-folder.ts";
import { encodeSafetensorsHeader, entryBytes, orderForAlignment, type TensorShape } from "./safetensors-writer.ts";
import { WriteBehind } from "./write-behind.ts";

/** A piece of one tensor of a group: bytes to be written at `offset` of that tensor, untouched until the piece after the next is asked for. */
export interface TensorPiece {
  readonly name: string;
  readonly offset: number;
  readonly bytes: Uint8Array;
}

export interface TensorGroup {
  readonly entries: readonly TensorShape[];
  readonly read: () => AsyncIterable<TensorPiece>;
}

const groupBytes = (group: TensorGroup): number => group.entries.reduce((sum, entry) => sum + entryBytes(entry), 0);

/** Groups in the order given; a new shard begins where the next group would not fit. */
export function splitGroups(groups: readonly TensorGroup[], maxShardBytes: number): TensorGroup[][] {
  const shards: TensorGroup[][] = [[]];
  let bytes = 0;
  for (const group of groups) {
    const size = groupBytes(group);
    if (bytes > 0 && bytes + size > maxShardBytes) {
      shards.push([]);
      bytes = 0;
    }
    shards.at(-1)!.push(group);
    bytes += size;
  }
  return shards;
}

/**
 * One file when everything fits, else shards with an index, named as Transformers names them. The folder is expected to be fresh.
 * @returns names of the files written
 * @throws FileAccessError · RemoraError when a tensor's bytes do not match its shape
 */
export async function writeSafetensorsGroups(folder: string, groups: readonly TensorGroup[], maxShardBytes: number): Promise<string[]> {
  makeFolder(folder, "Writing");
  const shards = splitGroups(groups, maxShardBytes);
  if (shards.length === 1) {
    await writeShard(join(folder, "model.safetensors"), shards[0]!);
    return ["model.safetensors"];
  }
  const weightMap: Record<string, string> = {};
  let totalBytes = 0;
  const names: string[] = [];
  for (const [i, shard] of shards.entries()) {
    const name = `model-${String(i + 1).padStart(5, "0")}-of-${String(shards.length).padStart(5, "0")}.safetensors`;
    await writeShard(join(folder, name), shard);
    names.push(name);
    for (const group of shard) for (const entry of group.entries) weightMap[entry.name] = name;
    totalBytes += shard.reduce((sum, group) => sum + groupBytes(group), 0);
  }
  const index = { metadata: { total_size: totalBytes }, weight_map: weightMap };
  await writeFileAtomically(join(folder, "model.safetensors.index.json"), `${JSON.stringify(index, null, 2)}\n`);
  return [...names, "model.safetensors.index.json"];
}

async function writeShard(path: string, groups: readonly TensorGroup[]): Promise<void> {
  const ordered = orderForAlignment(groups.flatMap((group) => group.entries));
  const header = encodeSafetensorsHeader(ordered, { format: "pt" });
  const places = new Map<string, { start: number; length: number; filled: number }>();
  let at = header.length;
  for (const entry of ordered) {
    const length = entryBytes(entry);
    places.set(entry.name, { start: at, length, filled: 0 });
    at += length;
  }
  const file = await AtomicFile.create(path);
  const disk = new WriteBehind(file);
  try {
    await file.write(header);
    for (const group of groups) {
      for await (const piece of group.read()) {
        const place = places.get(piece.name);
        if (!place || piece.offset + piece.bytes.length > place.length) throw misfit(piece.name, `${place?.length ?? 0} bytes`, "more");
        await disk.put(piece.bytes, place.start + piece.offset);
        place.filled += piece.bytes.length;
      }
      for (const { name } of group.entries) {
        const { filled, length } = places.get(name)!;
        if (filled !== length) throw misfit(name, `${length} bytes`, `${filled}`);
      }
    }
    await disk.drain();
    await file.commit();
  } catch (error) {
    await disk.drain().catch(() => {});
    await file.abandon();
    throw error;
  }
}

const misfit = (name: string, expected: string, found: string): RemoraError =>
  new RemoraError("tensor-entry", 1, { doing: `Writing tensor "${name}"`, problem: `expected ${expected}, found ${found}` });
