import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { RemoraError } from "../errors/remora-error.ts";
import { type TensorEntry, writeSafetensors } from "../formats/safetensors-writer.ts";
import { readStoredTensor } from "./stored-tensor.ts";
import { openWeightSource } from "./weight-source.ts";

const golden = JSON.parse(readFileSync(new URL("../../fixtures/data/quant/nf4.json", import.meta.url), "utf8"));
const bytesOf = (base64: string): Uint8Array => Uint8Array.from(Buffer.from(base64, "base64"));
const floatsOf = (base64: string): Float32Array => new Float32Array(bytesOf(base64).buffer);

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "remora-hf-"));
});
afterEach(() => rmSync(folder, { recursive: true }));

const entry = (name: string, dtype: TensorEntry["dtype"], shape: number[], data: Uint8Array): TensorEntry => ({
  name,
  dtype,
  shape,
  read: () => data,
});
const save = async (config: object, entries: TensorEntry[]) => {
  writeFileSync(join(folder, "config.json"), JSON.stringify(config));
  await writeSafetensors(join(folder, "model.safetensors"), entries);
};
const refusal = (run: () => unknown): string => {
  try {
    run();
  } catch (error) {
    if (RemoraError.isInstance(error)) return error.message.replaceAll(folder, "model");
    throw error;
  }
  throw new Error("nothing was thrown");
};

const NAME = "model.layers.0.mlp.down_proj.weight";
const { rows, cols, codes, scales, nestedScales, nestedCode, offset, values } = golden.nf4;
const state = {
  quant_type: "nf4",
  blocksize: 64,
  dtype: "bfloat16",
  shape: [rows, cols],
  nested_blocksize: 256,
  nested_dtype: "float32",
  nested_offset: offset,
};
const json = (value: object): Uint8Array => Uint8Array.from(Buffer.from(JSON.stringify(value)));

/** What bitsandbytes saves for one linear, with parts replaced or left out. */
const nf4Entries = (change: Record<string, TensorEntry | null> = {}, blob: object = state): TensorEntry[] => {
  const all: Record<string, TensorEntry | null> = {
    "": entry(NAME, "U8", [(rows * cols) / 2, 1], bytesOf(codes)),
    absmax: entry(`${NAME}.absmax`, "U8", [(rows * cols) / 64], bytesOf(scales)),
    quant_map: entry(`${NAME}.quant_map`, "F32", [16], bytesOf(golden.table)),
    nested_absmax: entry(`${NAME}.nested_absmax`, "F32", [floatsOf(nestedScales).length], bytesOf(nestedScales)),
    nested_quant_map: entry(`${NAME}.nested_quant_map`, "F32", [256], bytesOf(nestedCode)),
    state: entry(`${NAME}.quant_state.bitsandbytes__nf4`, "U8", [json(blob).length], json(blob)),
    ...change,
  };
  return Object.values(all).filter((each) => each !== null);
};

describe("a Hugging Face folder", () => {
  it("describes dense tensors where they stand", async () => {
    const data = new Uint8Array(Float32Array.of(1, 2, 3, 4, 5, 6).buffer);
    await save({ model_type: "llama", hidden_size: 3 }, [entry("model.embed_tokens.weight", "F32", [2, 3], data)]);
    const source = openWeightSource(folder);
    expect(source).toMatchObject({
      format: "huggingface",
      config: { model_type: "llama", hidden_size: 3 },
      tokenizerSource: { kind: "folder", path: folder },
    });
    const tensor = source.tensor("model.embed_tokens.weight")!;
    expect(tensor).toMatchObject({ format: "f32", shape: [2, 3], byteLength: 24, storedOffset: 0 });
    expect(readStoredTensor(tensor)).toEqual(Float32Array.of(1, 2, 3, 4, 5, 6));
    expect(source.tensor("lm_head.weight")).toBeUndefined();
  });

  it("lifts the text model out of a vision-language checkpoint", async () => {
    await save(
      { model_type: "gemma3", text_config: { hidden_size: 4, model_type: "gemma3_text" }, vision_config: {}, eos_token_id: [1, 106] },
      [
        entry("language_model.model.norm.weight", "BF16", [1], new Uint8Array(2)),
        entry("language_model.lm_head.weight", "BF16", [1, 1], new Uint8Array(2)),
        entry("model.language_model.layers.0.mlp.up_proj.weight", "BF16", [1, 1], new Uint8Array(2)),
        entry("vision_tower.vision_model.head.bias", "BF16", [1], new Uint8Array(2)),
        entry("multi_modal_projector.mm_soft_emb_norm.weight", "BF16", [1], new Uint8Array(2)),
      ],
    );
    const source = openWeightSource(folder);
    expect([...source.names()].sort()).toEqual(["lm_head.weight", "model.layers.0.mlp.up_proj.weight", "model.norm.weight"]);
    expect(source.config).toEqual({ model_type: "gemma3_text", hidden_size: 4, eos_token_id: [1, 106] });
  });

  it("reads bitsandbytes NF4 with double quantization as bitsandbytes does", async () => {
    await save(
      { model_type: "llama", quantization_config: { quant_method: "bitsandbytes", load_in_4bit: true, bnb_4bit_quant_type: "nf4" } },
      nf4Entries(),
    );
    const source = openWeightSource(folder);
    expect([...source.names()]).toEqual([NAME]);
    const tensor = source.tensor(NAME)!;
    expect(tensor).toMatchObject({ format: "nf4", shape: [rows, cols], byteLength: (rows * cols) / 2, nf4: { nested: { offset } } });
    expect(readStoredTensor(tensor)).toEqual(floatsOf(values));
  });

  it("reads NF4 with plain scales", async () => {
    const { nested_blocksize: _, nested_dtype: __, nested_offset: ___, ...plain } = state;
    const ones = new Uint8Array(new Float32Array((rows * cols) / 64).fill(1).buffer);
    const absmax = entry(`${NAME}.absmax`, "F32", [(rows * cols) / 64], ones);
    await save({ model_type: "llama" }, nf4Entries({ absmax, nested_absmax: null, nested_quant_map: null }, plain));
    const tensor = openWeightSource(folder).tensor(NAME)!;
    expect(tensor.nf4!.nested).toBeUndefined();
    expect(readStoredTensor(tensor)[0]).toBe(floatsOf(golden.table)[bytesOf(codes)[0]! >> 4]);
  });
});

describe("what a Hugging Face folder is refused for", () => {
  it("no config.json, or no such path", () => {
    expect(refusal(() => openWeightSource(folder))).toMatchInlineSnapshot(`
      "Reading model/config.json: there is no such file or folder
        Check the path."
    `);
    expect(refusal(() => openWeightSource(join(folder, "none")))).toMatchInlineSnapshot(`
      "Opening the model model/none: there is no such file or folder
        Check the path."
    `);
    writeFileSync(join(folder, "weights.bin"), "");
    expect(refusal(() => openWeightSource(join(folder, "weights.bin")))).toMatchInlineSnapshot(`
      "Reading model model/weights.bin: expected a folder or a .gguf file, found weights.bin
        Name the folder that the file is in."
    `);
  });

  it("other quantizations", async () => {
    const quantized = async (quantization_config: object) => {
      await save({ model_type: "llama", quantization_config }, []);
      return refusal(() => openWeightSource(folder));
    };
    expect(await quantized({ quant_method: "gptq", bits: 4 })).toMatchInlineSnapshot(`
      "Reading config model/config.json, quantization_config: expected bitsandbytes with nf4, found method "gptq"
        Use the model's 16-bit version; remora makes the 4-bit one itself."
    `);
    expect(await quantized({ quant_method: "bitsandbytes", load_in_8bit: true })).toMatchInlineSnapshot(`
      "Reading config model/config.json, quantization_config: expected bitsandbytes with nf4, found bitsandbytes with 8 bits
        Use the model's 16-bit version; remora makes the 4-bit one itself."
    `);
    expect(await quantized({ quant_method: "bitsandbytes", load_in_4bit: true, bnb_4bit_quant_type: "fp4" })).toMatchInlineSnapshot(`
      "Reading config model/config.json, quantization_config: expected bitsandbytes with nf4, found bitsandbytes with fp4
        Use the model's 16-bit version; remora makes the 4-bit one itself."
    `);
    await save({ model_type: "llama" }, [entry(NAME, "F8_E4M3", [2, 2], new Uint8Array(4))]);
    expect(refusal(() => openWeightSource(folder).tensor(NAME))).toMatchInlineSnapshot(`
      "Reading safetensors model/model.safetensors, tensor "model.layers.0.mlp.down_proj.weight": expected a type of F32, F16, BF16, or bitsandbytes NF4, found F8_E4M3
        Use the model's 16-bit version."
    `);
  });

  it("NF4 whose parts are missing or do not fit", async () => {
    const broken = async (...change: Parameters<typeof nf4Entries>) => {
      await save({ model_type: "llama" }, nf4Entries(...change));
      return refusal(() => openWeightSource(folder).tensor(NAME));
    };
    expect(await broken({ absmax: null })).toMatchInlineSnapshot(`
      "Reading bitsandbytes tensor in model/model.safetensors, "model.layers.0.mlp.down_proj.weight.absmax": expected U8 [300], found nothing
        The file is damaged or incomplete: download or copy it again."
    `);
    expect(
      await broken({ nested_quant_map: entry(`${NAME}.nested_quant_map`, "F32", [16], bytesOf(golden.table)) }),
    ).toMatchInlineSnapshot(`
      "Reading bitsandbytes tensor in model/model.safetensors, "model.layers.0.mlp.down_proj.weight.nested_quant_map": expected F32 [256], found F32 [16]
        The file is damaged or incomplete: download or copy it again."
    `);
    expect(await broken({ quant_map: entry(`${NAME}.quant_map`, "F32", [16], new Uint8Array(64)) })).toMatchInlineSnapshot(`
      "Reading bitsandbytes tensor in model/model.safetensors, "model.layers.0.mlp.down_proj.weight.quant_map": expected the 16 values of NF4, found others
        The file is damaged or incomplete: download or copy it again."
    `);
    expect(await broken({}, { ...state, blocksize: 128 })).toMatchInlineSnapshot(`
      "Reading bitsandbytes tensor in model/model.safetensors, "model.layers.0.mlp.down_proj.weight.quant_state.bitsandbytes__nf4": expected blocksize 64, found 128
        The file is damaged or incomplete: download or copy it again."
    `);
    expect(await broken({}, { ...state, shape: [rows, cols + 64] })).toMatchInlineSnapshot(`
      "Reading bitsandbytes tensor in model/model.safetensors, "model.layers.0.mlp.down_proj.weight": expected 9984 bytes for [12, 1664], found 9600
        The file is damaged or incomplete: download or copy it again."
    `);
    expect(await broken({}, { ...state, shape: [2 ** 40, 2 ** 40] })).toMatchInlineSnapshot(`
      "Reading bitsandbytes tensor in model/model.safetensors, "model.layers.0.mlp.down_proj.weight.quant_state.bitsandbytes__nf4": expected fewer than 2^53 elements, found [1099511627776,1099511627776]
        The file is damaged or incomplete: download or copy it again."
    `);
    expect(await broken({}, [])).toMatchInlineSnapshot(`
      "Reading bitsandbytes tensor in model/model.safetensors, "model.layers.0.mlp.down_proj.weight.quant_state.bitsandbytes__nf4": expected an object, found []
        The file is damaged or incomplete: download or copy it again."
    `);
    const fp4 = { state: entry(`${NAME}.quant_state.bitsandbytes__fp4`, "U8", [2], json({})) };
    expect(await broken(fp4)).toMatchInlineSnapshot(`
      "Reading bitsandbytes tensor in model/model.safetensors, "model.layers.0.mlp.down_proj.weight": expected NF4, found FP4, which remora does not read
        The file is damaged or incomplete: download or copy it again."
    `);
  });
});
