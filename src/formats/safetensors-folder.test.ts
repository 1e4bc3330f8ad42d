import { mkdtempSync, readFileSync, rmSync, unlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { RemoraError } from "../errors/remora-error.ts";
import { readSafetensorsFolder } from "./safetensors-folder.ts";
import { writeSafetensorsFolder } from "./safetensors-shards.ts";
import { writeSafetensors } from "./safetensors-writer.ts";

let folder: string;
const entry = (name: string) => ({ name, dtype: "U8" as const, shape: [2], read: () => new Uint8Array(2) });
const indexPath = () => join(folder, "model.safetensors.index.json");
const editIndex = (edit: (map: Record<string, unknown>) => void) => {
  const index = JSON.parse(readFileSync(indexPath(), "utf8"));
  edit(index.weight_map);
  writeFileSync(indexPath(), JSON.stringify(index));
};
const refusal = (): string => {
  try {
    readSafetensorsFolder(folder);
  } catch (error) {
    if (RemoraError.isInstance(error)) return error.message.replaceAll(folder, "model");
    throw error;
  }
  throw new Error("nothing was thrown");
};

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), "remora-folder-"));
  await writeSafetensorsFolder(folder, ["a", "b", "c"].map(entry), { maxShardBytes: 2 });
});
afterEach(() => rmSync(folder, { recursive: true }));

describe("readSafetensorsFolder refuses", () => {
  it("a missing shard", () => {
    unlinkSync(join(folder, "model-00002-of-00003.safetensors"));
    expect(refusal()).toMatchInlineSnapshot(`
      "Reading safetensors index model/model.safetensors.index.json, weight_map: expected 3 shards beside it, found 1 missing: model-00002-of-00003.safetensors
        Download the missing files into the same folder."
    `);
  });

  it("a tensor in two shards", async () => {
    await writeSafetensors(join(folder, "model-00002-of-00003.safetensors"), [entry("a"), entry("b")]);
    expect(refusal()).toMatchInlineSnapshot(`
      "Reading safetensors index model/model.safetensors.index.json, tensor "a": expected it in model-00001-of-00003.safetensors only, found it in model-00002-of-00003.safetensors too
        The folder mixes files of two saves: download it again into an empty folder."
    `);
  });

  it("an index that points nowhere", () => {
    editIndex((map) => {
      map.ghost = "model-00001-of-00003.safetensors";
    });
    expect(refusal()).toMatchInlineSnapshot(`
      "Reading safetensors index model/model.safetensors.index.json, tensor "ghost": expected it in model-00001-of-00003.safetensors, found no such tensor there
        The folder mixes files of two saves: download it again into an empty folder."
    `);
  });

  it("an index that points outside the folder", () => {
    editIndex((map) => {
      map.a = "../../secret.safetensors";
    });
    expect(refusal()).toMatchInlineSnapshot(`
      "Reading safetensors index model/model.safetensors.index.json, weight_map "a": expected the name of a .safetensors file in the same folder, found "../../secret.safetensors"
        The file is damaged or incomplete: download or copy it again."
    `);
  });

  it("an index that is not one", () => {
    writeFileSync(indexPath(), "{}");
    expect(refusal()).toMatchInlineSnapshot(`
      "Reading safetensors index model/model.safetensors.index.json, weight_map: expected an object from tensor names to shard files, found nothing
        The file is damaged or incomplete: download or copy it again."
    `);
    writeFileSync(indexPath(), "not json");
    expect(refusal()).toContain("Reading JSON model/model.safetensors.index.json: expected JSON in UTF-8, found ");
    writeFileSync(indexPath(), '{"weight_map":{"a":"x.safetensors","a":"y.safetensors"}}');
    expect(refusal()).toMatchInlineSnapshot(`
      "Reading JSON model/model.safetensors.index.json: expected JSON in UTF-8, found the key "a" twice
        The file is damaged or incomplete: download or copy it again."
    `);
  });

  it("a folder without readable weights, saying what is there instead", () => {
    unlinkSync(indexPath());
    expect(refusal()).toMatchInlineSnapshot(`
      "Reading model folder model: expected model.safetensors or model.safetensors.index.json, found neither
        Download the model's weights into the folder."
    `);
    writeFileSync(join(folder, "model.q4.gguf"), "");
    expect(refusal()).toMatchInlineSnapshot(`
      "Reading model folder model: expected model.safetensors or model.safetensors.index.json, found a GGUF file (model.q4.gguf)
        Name the file itself: model/model.q4.gguf"
    `);
    writeFileSync(join(folder, "pytorch_model.bin"), "");
    expect(refusal()).toMatchInlineSnapshot(`
      "Reading model folder model: expected model.safetensors or model.safetensors.index.json, found pickled weights (pytorch_model.bin)
        Pickled files can run code and are not read: use a safetensors version of the model."
    `);
  });
});
