import { cpSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { RemoraError } from "../errors/remora-error.ts";
import { readTensorBytes } from "../formats/file-bytes.ts";
import { writeSafetensors } from "../formats/safetensors-writer.ts";
import { decodeWeights } from "../quant/decode.ts";
import { type AdapterPart, type AdapterToWrite, describeAdapter, readAdapter, writeAdapter } from "./adapter-file.ts";

const fixtures = fileURLToPath(new URL("../../fixtures/data/adapters", import.meta.url));
let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "remora-adapter-"));
});
afterEach(() => rmSync(folder, { recursive: true }));

const refusal = (run: () => unknown): string => {
  try {
    run();
  } catch (error) {
    if (RemoraError.isInstance(error)) return error.message.replaceAll(folder, "adapter");
    throw error;
  }
  throw new Error("nothing was thrown");
};
const values = (count: number, seed: number) => Float32Array.from({ length: count }, (_, i) => Math.fround(Math.sin(i + seed)));
const part = (path: string, rank = 4, alpha = 8): AdapterPart => ({ path, a: values(rank * 16, 1), b: values(rank * 8, 2), rank, alpha });
const queryAndValue = (layer: number) => ["q_proj", "v_proj"].map((name) => part(`model.layers.${layer}.self_attn.${name}`));

describe("readAdapter", () => {
  const expected = JSON.parse(readFileSync(join(fixtures, "expected.json"), "utf8")) as Record<
    string,
    Record<string, { rank: number; scale: number; sumA: number }>
  >;

  it.each(Object.keys(expected))("gives PEFT's own ranks, scales and values: %s", (name) => {
    const { parts, config } = readAdapter(join(fixtures, name));
    expect(parts.map((each) => each.path).sort()).toEqual(Object.keys(expected[name]!).sort());
    for (const { path, a, rank, scale } of parts) {
      const peft = expected[name]![path]!;
      expect([path, rank]).toEqual([path, peft.rank]);
      expect(scale).toBeCloseTo(peft.scale, 12);
      const sum = decodeWeights("f32", readTensorBytes(a), a.byteLength / 4).reduce((total, value) => total + value, 0);
      expect(sum).toBeCloseTo(peft.sumA, 5);
    }
    expect(config.dropout).toBe(name === "plain" ? 0.1 : 0);
  });

  it("orders layers by number", async () => {
    await writeAdapter(folder, { parts: [10, 2, 1].flatMap(queryAndValue), useRslora: false, dropout: 0 });
    expect(readAdapter(folder).parts.map((each) => Number(each.path.split(".")[2]))).toEqual([1, 1, 2, 2, 10, 10]);
  });
});

describe("writeAdapter", () => {
  it("comes back with the same values, ranks and scales", async () => {
    const adapter: AdapterToWrite = {
      parts: [
        part("model.layers.0.self_attn.q_proj"),
        part("model.layers.0.self_attn.v_proj"),
        part("model.layers.1.self_attn.q_proj", 9, 3),
      ],
      useRslora: true,
      dropout: 0.05,
      baseModel: "org/name",
    };
    await writeAdapter(folder, adapter);
    const read = readAdapter(folder);
    expect(read.config).toMatchObject({ rank: 4, alpha: 8, useRslora: true, dropout: 0.05, baseModel: "org/name" });
    expect(read.parts.map(({ path, rank, scale }) => [path, rank, scale])).toEqual([
      ["model.layers.0.self_attn.q_proj", 4, 4],
      ["model.layers.0.self_attn.v_proj", 4, 4],
      ["model.layers.1.self_attn.q_proj", 9, 1],
    ]);
    for (const [i, { a, b }] of read.parts.entries()) {
      expect(decodeWeights("f32", readTensorBytes(a), a.byteLength / 4)).toEqual(adapter.parts[i]!.a);
      expect(decodeWeights("f32", readTensorBytes(b), b.byteLength / 4)).toEqual(adapter.parts[i]!.b);
      expect([a.shape, b.shape]).toEqual([
        [adapter.parts[i]!.rank, 16],
        [8, adapter.parts[i]!.rank],
      ]);
    }
  });

  it("can store 16 bits", async () => {
    await writeAdapter(folder, { parts: queryAndValue(0), useRslora: false, dropout: 0, dtype: "BF16" });
    const { a } = readAdapter(folder).parts[0]!;
    expect(a.dtype).toBe("BF16");
    expect(decodeWeights("bf16", readTensorBytes(a), 64)[3]).toBeCloseTo(Math.sin(4), 2);
  });

  it("names target modules briefly when every layer has them, else in full", () => {
    const targets = (parts: AdapterPart[]) => describeAdapter({ parts, useRslora: false, dropout: 0 }).targetModules;
    expect(targets([0, 1].flatMap(queryAndValue))).toEqual(["q_proj", "v_proj"]);
    expect(targets([...queryAndValue(0), part("model.layers.1.self_attn.q_proj")])).toHaveLength(3);
    expect(targets(queryAndValue(5))).toEqual(["model.layers.5.self_attn.q_proj", "model.layers.5.self_attn.v_proj"]);
  });

  it("refuses values that are not matrices of the rank", async () => {
    const wrong = writeAdapter(folder, { parts: [{ ...part("x"), b: values(7, 0) }], useRslora: false, dropout: 0 });
    await expect(wrong).rejects.toThrowErrorMatchingInlineSnapshot(
      `[ShapeError: Writing the adapter of x: expected multiples of the rank 4, found 64 and 7 values]`,
    );
    expect(existsSync(join(folder, "adapter_config.json"))).toBe(false);
  });
});

describe("what an adapter is refused for", () => {
  const withConfig = (change: Record<string, unknown>): string => {
    cpSync(join(fixtures, "plain"), folder, { recursive: true });
    const path = join(folder, "adapter_config.json");
    writeFileSync(path, JSON.stringify({ ...JSON.parse(readFileSync(path, "utf8")), ...change }));
    return refusal(() => readAdapter(folder));
  };
  const withTensors = async (names: string[], shape = [4, 16]): Promise<string> => {
    cpSync(join(fixtures, "plain"), folder, { recursive: true });
    const entries = names.map((name) => ({ name, dtype: "F32" as const, shape, read: () => new Uint8Array(shape[0]! * shape[1]! * 4) }));
    await writeSafetensors(join(folder, "adapter_model.safetensors"), entries);
    return refusal(() => readAdapter(folder));
  };

  it("other methods and features that change the result", () => {
    expect(withConfig({ peft_type: "IA3" })).toMatchInlineSnapshot(`
      "Reading adapter adapter: peft_type: expected "LORA", found "IA3"
        Only LoRA adapters can be loaded."
    `);
    expect(withConfig({ use_dora: true })).toMatchInlineSnapshot(`
      "Reading adapter adapter: use_dora: expected nothing, found true
        remora computes plain LoRA only: merge the adapter into its base with the tool that made it."
    `);
    expect(withConfig({ modules_to_save: ["lm_head"] })).toMatchInlineSnapshot(`
      "Reading adapter adapter: modules_to_save: expected nothing, found ["lm_head"]
        remora computes plain LoRA only: merge the adapter into its base with the tool that made it."
    `);
    expect(withConfig({ bias: "lora_only" })).toMatchInlineSnapshot(`
      "Reading adapter adapter: bias: expected "none", found "lora_only"
        Merge the adapter into its base with the tool that made it."
    `);
    expect(withConfig({ init_lora_weights: "pissa_niter_4" })).toMatchInlineSnapshot(`
      "Reading adapter adapter: init_lora_weights: expected true or false or "gaussian" or "orthogonal" or "eva", found "pissa_niter_4"
        Merge the adapter into its base with the tool that made it."
    `);
    for (const field of ["fan_in_fan_out", "lora_bias", "use_qalora"])
      expect(withConfig({ [field]: true })).toContain(`${field}: expected nothing, found true`);
    expect(withConfig({ layer_replication: [[0, 4]] })).toContain("layer_replication: expected nothing, found [[0,4]]");
  });

  it("fields that are missing or odd", () => {
    expect(withConfig({ r: 0 })).toMatchInlineSnapshot(`"Reading adapter adapter: r: expected a positive integer, found 0"`);
    expect(withConfig({ lora_alpha: "8" })).toMatchInlineSnapshot(
      `"Reading adapter adapter: lora_alpha: expected a positive number, found "8""`,
    );
    expect(withConfig({ lora_dropout: 1 })).toMatchInlineSnapshot(
      `"Reading adapter adapter: lora_dropout: expected a number from 0 to 1, found 1"`,
    );
    expect(withConfig({ target_modules: null })).toMatchInlineSnapshot(
      `"Reading adapter adapter: target_modules: expected a list of module names or a regular expression, found null"`,
    );
    expect(withConfig({ rank_pattern: { q_proj: "8" } })).toMatchInlineSnapshot(
      `"Reading adapter adapter: rank_pattern: expected an object of positive numbers, found {"q_proj":"8"}"`,
    );
    expect(withConfig({ rank_pattern: { "(a+)+$": 8 } })).toMatchInlineSnapshot(
      `"Reading adapter adapter: rank_pattern: expected keys that are regular expressions with at most 3 repetitions and no repeated groups, found {"(a+)+$":8}"`,
    );
    expect(withConfig({ alpha_pattern: { "(": 8 } })).toContain("alpha_pattern: expected keys that are regular expressions");
  });

  it("weights that do not fit", async () => {
    const name = "base_model.model.model.layers.0.self_attn.q_proj";
    expect(await withTensors([`${name}.lora_A.weight`])).toMatchInlineSnapshot(
      `"Reading adapter adapter: model.layers.0.self_attn.q_proj: expected lora_A and lora_B, found lora_A only"`,
    );
    expect(await withTensors([`${name}.lora_A.weight`, `${name}.lora_B.weight`], [8, 8])).toMatchInlineSnapshot(`
      "Reading adapter adapter: model.layers.0.self_attn.q_proj: expected lora_A [4, In] and lora_B [Out, 4], found [8, 8] and [8, 8]
        The config and the weights belong to different adapters, or the rank is wrong."
    `);
    expect(await withTensors([`${name}.lora_magnitude_vector`])).toMatchInlineSnapshot(`
      "Reading adapter adapter: expected only lora_A and lora_B of linears, found the tensor "base_model.model.model.layers.0.self_attn.q_proj.lora_magnitude_vector"
        DoRA is not supported: merge the adapter into its base with the tool that made it."
    `);
    expect(await withTensors(["base_model.model.model.embed_tokens.lora_embedding_A"])).toMatchInlineSnapshot(`
      "Reading adapter adapter: expected only lora_A and lora_B of linears, found the tensor "base_model.model.model.embed_tokens.lora_embedding_A"
        Adapters on embeddings are not supported."
    `);
    expect(await withTensors(["base_model.model.lm_head.weight"])).toMatchInlineSnapshot(`
      "Reading adapter adapter: expected only lora_A and lora_B of linears, found the tensor "base_model.model.lm_head.weight"
        The adapter holds more than LoRA on linears: merge it into its base with the tool that made it."
    `);
    expect(await withTensors([])).toMatchInlineSnapshot(`"Reading adapter adapter: expected at least one adapted linear, found none"`);
  });

  it("no weights", () => {
    cpSync(join(fixtures, "plain", "adapter_config.json"), join(folder, "adapter_config.json"));
    expect(refusal(() => readAdapter(folder))).toMatchInlineSnapshot(`
      "Reading adapter adapter: expected adapter_model.safetensors, found no weights
        Copy the adapter's weights into the folder."
    `);
    writeFileSync(join(folder, "adapter_model.bin"), "");
    expect(refusal(() => readAdapter(folder))).toMatchInlineSnapshot(`
      "Reading adapter adapter: expected adapter_model.safetensors, found adapter_model.bin
        Pickled files can run code and are not read: save the adapter as safetensors."
    `);
  });
});
