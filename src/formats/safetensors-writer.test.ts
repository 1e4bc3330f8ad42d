import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { readTensorBytes } from "./file-bytes.ts";
import { readSafetensorsFolder } from "./safetensors-folder.ts";
import { readSafetensors } from "./safetensors-reader.ts";
import { writeSafetensorsFolder } from "./safetensors-shards.ts";
import { type TensorEntry, writeSafetensors } from "./safetensors-writer.ts";

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "remora-writer-"));
});
afterEach(() => rmSync(folder, { recursive: true }));

const bytes = (length: number, seed: number): Uint8Array => Uint8Array.from({ length }, (_, i) => (i * 7 + seed) & 255);
const entry = (name: string, dtype: TensorEntry["dtype"], shape: number[], data: Uint8Array): TensorEntry => ({
  name,
  dtype,
  shape,
  read: () => data,
});

describe("writeSafetensors", () => {
  it("reads back byte for byte, aligned whatever the order, pieces or whole", async () => {
    const path = join(folder, "a.safetensors");
    const codes = bytes(5, 1);
    const wide = bytes(24, 2);
    const half = bytes(6, 3);
    await writeSafetensors(path, [
      entry("codes", "U8", [5], codes),
      { name: "wide", dtype: "F32", shape: [2, 3], read: () => [wide.subarray(0, 7), wide.subarray(7)] },
      {
        name: "half",
        dtype: "BF16",
        shape: [3],
        async *read() {
          yield half.subarray(0, 4);
          yield half.subarray(4);
        },
      },
    ]);
    const { tensors, metadata } = readSafetensors(path);
    expect([...tensors.values()].map((view) => view.name)).toEqual(["wide", "half", "codes"]);
    expect(readTensorBytes(tensors.get("codes")!)).toEqual(codes);
    expect(readTensorBytes(tensors.get("wide")!)).toEqual(wide);
    expect(readTensorBytes(tensors.get("half")!)).toEqual(half);
    expect(metadata.get("format")).toBe("pt");
    expect(readdirSync(folder)).toEqual(["a.safetensors"]);
  });

  it("asks for bytes in writing order, only when their turn comes", async () => {
    const asked: string[] = [];
    const spy = (name: string): TensorEntry => ({
      name,
      dtype: "F32",
      shape: [1],
      read: () => {
        asked.push(name);
        return bytes(4, 0);
      },
    });
    await writeSafetensors(join(folder, "a.safetensors"), [spy("x"), spy("y")]);
    expect(asked).toEqual(["x", "y"]);
  });

  it("leaves the old file alone and no litter when an entry fails", async () => {
    const path = join(folder, "a.safetensors");
    writeFileSync(path, "old");
    const short = writeSafetensors(path, [entry("w", "F32", [2, 2], bytes(12, 0))]);
    await expect(short).rejects.toThrowErrorMatchingInlineSnapshot(
      `[RemoraError: Writing tensor "w": expected 16 bytes for F32 [2, 2], found 12]`,
    );
    await expect(writeSafetensors(path, [entry("w", "F32", [2, 2], bytes(20, 0))])).rejects.toThrowErrorMatchingInlineSnapshot(
      `[RemoraError: Writing tensor "w": expected 16 bytes for F32 [2, 2], found at least 20]`,
    );
    await expect(
      writeSafetensors(path, [entry("w", "U8", [1], bytes(1, 0)), entry("w", "U8", [1], bytes(1, 0))]),
    ).rejects.toThrowErrorMatchingInlineSnapshot(`[RemoraError: Writing tensor "w": expected every name once, found it again]`);
    await expect(writeSafetensors(path, [entry("w", "F32", [0.5], bytes(1, 0))])).rejects.toThrowErrorMatchingInlineSnapshot(
      `[RemoraError: Writing tensor "w": expected a shape of whole numbers that fills whole bytes, found F32 [0.5]]`,
    );
    expect(readFileSync(path, "utf8")).toBe("old");
    expect(readdirSync(folder)).toEqual(["a.safetensors"]);
  });

  it("says where it could not write", async () => {
    const message = await writeSafetensors(join(folder, "none", "a.safetensors"), []).catch((error: Error) =>
      error.message.replaceAll(folder, ""),
    );
    expect(message).toMatchInlineSnapshot(`
      "Writing /none/a.safetensors: there is no such file or folder
        Check the path."
    `);
  });
});

describe("writeSafetensorsFolder", () => {
  const entries = () => ["a", "b", "c", "d"].map((name, i) => entry(`model.${name}`, "F32", [2], bytes(8, i)));

  it("writes one file when everything fits, and removes the shards of an earlier save", async () => {
    await writeSafetensorsFolder(folder, entries(), { maxShardBytes: 16 });
    writeFileSync(join(folder, "model-notes.txt"), "mine");
    expect(await writeSafetensorsFolder(folder, entries())).toEqual(["model.safetensors"]);
    expect(readdirSync(folder).sort()).toEqual(["model-notes.txt", "model.safetensors"]);
  });

  it("writes shards with an index that the reader resolves", async () => {
    await writeSafetensorsFolder(folder, entries());
    expect(await writeSafetensorsFolder(folder, entries(), { maxShardBytes: 16 })).toEqual([
      "model-00001-of-00002.safetensors",
      "model-00002-of-00002.safetensors",
      "model.safetensors.index.json",
    ]);
    expect(existsSync(join(folder, "model.safetensors"))).toBe(false);
    const tensors = readSafetensorsFolder(folder);
    expect([...tensors.keys()].sort()).toEqual(["model.a", "model.b", "model.c", "model.d"]);
    expect(readTensorBytes(tensors.get("model.c")!)).toEqual(bytes(8, 2));
    expect(JSON.parse(readFileSync(join(folder, "model.safetensors.index.json"), "utf8")).metadata.total_size).toBe(32);
  });

  it("gives a tensor larger than the limit a shard of its own", async () => {
    const written = await writeSafetensorsFolder(folder, entries(), { maxShardBytes: 1 });
    expect(written).toHaveLength(5);
  });
});
