import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { RemoraError } from "../errors/remora-error.ts";
import { createRandom, damage } from "../formats/testing/damage.ts";
import { f32Bytes, makeGguf, type TestGguf, type TestTensor, type TypedValue } from "../formats/testing/make-gguf.ts";
import { openGgufModel } from "./gguf-model.ts";
import { readStoredTensor } from "./stored-tensor.ts";
import type { WeightSource } from "./stored-weights.ts";

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "remora-gguf-model-"));
});
afterAll(() => rmSync(folder, { recursive: true }));

const open = (file: TestGguf, name = "m.gguf"): WeightSource => {
  writeFileSync(join(folder, name), makeGguf(file));
  return openGgufModel(join(folder, name));
};

/** Metadata of a model with one layer: width 8, two heads of four, one key head. */
const metadata = (architecture: string, extra: Record<string, TypedValue> = {}): Record<string, TypedValue> => ({
  "general.architecture": { text: architecture },
  [`${architecture}.context_length`]: { u32: 64 },
  [`${architecture}.embedding_length`]: { u32: 8 },
  [`${architecture}.block_count`]: { u32: 1 },
  [`${architecture}.feed_forward_length`]: { u32: 16 },
  [`${architecture}.attention.head_count`]: { u32: 2 },
  [`${architecture}.attention.head_count_kv`]: { u32: 1 },
  [`${architecture}.attention.layer_norm_rms_epsilon`]: { f32: 1e-5 },
  [`${architecture}.rope.freq_base`]: { f32: 500000 },
  "tokenizer.ggml.bos_token_id": { u32: 1 },
  "tokenizer.ggml.eos_token_id": { u32: 2 },
  ...extra,
});
const embedding: TestTensor = { name: "token_embd.weight", shape: [5, 8] };
const configOf = (architecture: string, extra: Record<string, TypedValue> = {}, tensors: TestTensor[] = []) =>
  open({ metadata: metadata(architecture, extra), tensors: [embedding, ...tensors] }).config;

const refusal = (run: () => unknown): string => {
  try {
    run();
  } catch (error) {
    if (RemoraError.isInstance(error)) return error.message.replaceAll(`${folder}/`, "");
    throw error;
  }
  throw new Error("nothing was thrown");
};

describe("config from metadata", () => {
  it("has the fields of a config.json", () => {
    expect(configOf("llama", { "tokenizer.ggml.eot_token_id": { u32: 4 } })).toEqual({
      model_type: "llama",
      vocab_size: 5,
      hidden_size: 8,
      intermediate_size: 16,
      num_hidden_layers: 1,
      num_attention_heads: 2,
      num_key_value_heads: 1,
      head_dim: 4,
      max_position_embeddings: 64,
      rms_norm_eps: 1e-5,
      rope_theta: 500000,
      tie_word_embeddings: true,
      bos_token_id: 1,
      eos_token_id: [2, 4],
      hidden_act: "silu",
      attention_bias: false,
    });
  });

  it("sees an untied head and biases by their tensors", () => {
    const config = configOf("llama", {}, [
      { name: "output.weight", shape: [5, 8] },
      { name: "blk.0.attn_q.bias", shape: [8] },
    ]);
    expect(config).toMatchObject({ tie_word_embeddings: false, attention_bias: true });
  });

  it("reads Gemma's windows and Phi's partial rotation", () => {
    const gemma = {
      "gemma3.attention.key_length": { u32: 16 },
      "gemma3.attention.value_length": { u32: 16 },
      "gemma3.attention.sliding_window": { u32: 32 },
    };
    expect(configOf("gemma3", gemma)).toMatchObject({
      model_type: "gemma3_text",
      head_dim: 16,
      sliding_window: 32,
      query_pre_attn_scalar: 16,
      rope_local_base_freq: 10000,
      hidden_activation: "gelu_pytorch_tanh",
    });
    expect(configOf("phi3", { "phi3.rope.dimension_count": { u32: 2 }, "phi3.attention.sliding_window": { u32: 47 } })).toMatchObject({
      partial_rotary_factor: 0.5,
      sliding_window: 47,
    });
  });

  it("reads each way of stretching positions", () => {
    const scaling = (extra: Record<string, TypedValue>, tensors: TestTensor[] = []) => configOf("llama", extra, tensors).rope_scaling;
    const key = "llama.rope.scaling";
    expect(scaling({ [`${key}.type`]: { text: "linear" }, [`${key}.factor`]: { f32: 8 } })).toEqual({ rope_type: "linear", factor: 8 });
    expect(
      scaling({
        [`${key}.type`]: { text: "yarn" },
        [`${key}.factor`]: { f32: 4 },
        [`${key}.original_context_length`]: { u32: 16 },
        [`${key}.attn_factor`]: { f32: 2 },
      }),
    ).toEqual({ rope_type: "yarn", factor: 4, original_max_position_embeddings: 16, attention_factor: 2 * (0.1 * Math.log(4) + 1) });
    expect(scaling({}, [{ name: "rope_freqs.weight", shape: [2], data: f32Bytes([1, 7]) }])).toEqual({
      rope_type: "divisors",
      divisors: [1, 7],
    });
    expect(
      scaling({ [`${key}.attn_factor`]: { f32: 1.25 }, [`${key}.original_context_length`]: { u32: 16 } }, [
        { name: "rope_factors_long.weight", shape: [2], data: f32Bytes([2, 4]) },
        { name: "rope_factors_short.weight", shape: [2], data: f32Bytes([1, 1.5]) },
      ]),
    ).toEqual({
      rope_type: "longrope",
      long_factor: [2, 4],
      short_factor: [1, 1.5],
      original_max_position_embeddings: 16,
      attention_factor: 1.25,
    });
  });

  it("recognises Llama 3's rule in its result", () => {
    // Head size 6 at base 500,000: wavelengths 6.3 and 499 are kept, 39,584 is divided by the factor.
    const extra = { "llama.attention.key_length": { u32: 6 }, "llama.attention.value_length": { u32: 6 } };
    const factors = { name: "rope_freqs.weight", shape: [3], data: f32Bytes([1, 1.5, 8]) };
    expect(configOf("llama", extra, [factors]).rope_scaling).toEqual({ rope_type: "divisors", divisors: [1, 1.5, 8] });
    expect(configOf("llama", extra, [{ ...factors, data: f32Bytes([1, 1, 8]) }]).rope_scaling).toEqual({
      rope_type: "llama3",
      factor: 8,
      low_freq_factor: 1,
      high_freq_factor: 4,
      original_max_position_embeddings: 8192,
    });
  });
});

describe("tensors", () => {
  /** A matrix whose value is its row number in Hugging Face's order. */
  const rows = (order: number[], cols: number) => f32Bytes(order.flatMap((row) => new Array<number>(cols).fill(row)));

  it("of llama come back in Hugging Face's row order, biases too", () => {
    const source = open({
      metadata: metadata("llama"),
      tensors: [
        embedding,
        { name: "blk.0.attn_q.weight", shape: [8, 8], data: rows([0, 2, 1, 3, 4, 6, 5, 7], 8) },
        { name: "blk.0.attn_k.weight", shape: [4, 8], data: rows([0, 2, 1, 3], 8) },
        { name: "blk.0.attn_v.weight", shape: [4, 8], data: rows([0, 1, 2, 3], 8) },
        { name: "blk.0.attn_q.bias", shape: [8], data: f32Bytes([0, 2, 1, 3, 4, 6, 5, 7]) },
      ],
    });
    const read = (name: string) => readStoredTensor(source.tensor(`model.layers.0.self_attn.${name}`)!);
    expect(read("q_proj.weight")).toEqual(new Float32Array(rows([0, 1, 2, 3, 4, 5, 6, 7], 8).buffer));
    expect(read("k_proj.weight")).toEqual(new Float32Array(rows([0, 1, 2, 3], 8).buffer));
    expect(read("v_proj.weight")).toEqual(new Float32Array(rows([0, 1, 2, 3], 8).buffer));
    expect(read("q_proj.bias")).toEqual(Float32Array.of(0, 1, 2, 3, 4, 5, 6, 7));
    expect(source.tensor("model.layers.0.self_attn.v_proj.weight")!.rowOrder).toBeUndefined();
    expect([...source.names()]).toContain("model.embed_tokens.weight");
    expect(source.tensor("model.layers.9.self_attn.q_proj.weight")).toBeUndefined();
  });

  it("of the others keep their rows; Gemma's norms say that they hold one more", () => {
    const q = { name: "blk.0.attn_q.weight", shape: [8, 8] };
    expect(
      open({ metadata: metadata("qwen3"), tensors: [embedding, q] }).tensor("model.layers.0.self_attn.q_proj.weight")!.rowOrder,
    ).toBeUndefined();
    const norm = { name: "blk.0.attn_norm.weight", shape: [2], data: f32Bytes([1.5, 0.75]) };
    const gemma = open({ metadata: metadata("gemma3"), tensors: [embedding, q, norm] }).tensor("model.layers.0.input_layernorm.weight")!;
    expect(gemma.storedOffset).toBe(1);
    expect(readStoredTensor(gemma)).toEqual(Float32Array.of(0.5, -0.25));
    expect(
      open({ metadata: metadata("llama"), tensors: [embedding, norm] }).tensor("model.layers.0.input_layernorm.weight")!.storedOffset,
    ).toBe(0);
  });
});

describe("split files", () => {
  const part = (no: number, tensors: TestTensor[], extra: Record<string, TypedValue> = {}) => ({
    metadata: { ...(no === 0 ? metadata("llama") : {}), "split.no": { u32: no }, "split.count": { u32: 2 }, ...extra },
    tensors,
  });
  const second = { name: "output_norm.weight", shape: [8] };

  it("are one model, whichever part is named", () => {
    writeFileSync(join(folder, "big-00001-of-00002.gguf"), makeGguf(part(0, [embedding], { "split.tensors.count": { u32: 2 } })));
    const source = open(part(1, [second]), "big-00002-of-00002.gguf");
    expect([...source.names()]).toEqual(["model.embed_tokens.weight", "model.norm.weight"]);
    expect(source.tensor("model.norm.weight")!.path).toContain("00002-of-00002");
  });

  it("are refused when parts are missing or do not belong together", () => {
    expect(refusal(() => open(part(0, [embedding]), "lone-00001-of-00002.gguf"))).toMatchInlineSnapshot(`
      "Reading GGUF lone-00001-of-00002.gguf, one of 2 parts: expected all parts beside it, found 1 missing: lone-00002-of-00002.gguf
        Download the missing parts into the same folder."
    `);
    expect(refusal(() => open(part(0, [embedding]), "renamed.gguf"))).toMatchInlineSnapshot(`
      "Reading GGUF renamed.gguf, one of 2 parts: expected a name that ends in -00001-of-00002.gguf, found renamed.gguf
        Give the parts their original names."
    `);
    writeFileSync(join(folder, "twice-00001-of-00002.gguf"), makeGguf(part(0, [embedding])));
    expect(refusal(() => open(part(1, [embedding]), "twice-00002-of-00002.gguf"))).toMatchInlineSnapshot(`
      "Reading GGUF twice-00002-of-00002.gguf, one of 2 parts: expected tensor "token_embd.weight" in one part, found it in two
        The parts belong to different files: download them again."
    `);
  });
});

describe("what cannot be run is refused", () => {
  const attempt = (file: TestGguf) => refusal(() => open(file));
  const llama = (extra: Record<string, TypedValue>, tensors: TestTensor[] = [embedding]) =>
    attempt({ metadata: metadata("llama", extra), tensors });

  it("an unknown architecture, or none", () => {
    expect(attempt({ metadata: metadata("rwkv7"), tensors: [embedding] })).toMatchInlineSnapshot(`
      "Reading the model m.gguf: model_type is "rwkv7", which remora cannot run
        Supported: llama, mistral, qwen2, qwen3, gemma3, phi3."
    `);
    expect(attempt({ tensors: [embedding] })).toMatchInlineSnapshot(`
      "Reading GGUF m.gguf, metadata "general.architecture": expected text, found nothing
        The file is damaged or incomplete: download or copy it again."
    `);
  });

  it("experts and other variants", () => {
    expect(llama({ "llama.expert_count": { u32: 8 } })).toMatchInlineSnapshot(`
      "Reading GGUF m.gguf, metadata "llama.expert_count": expected 0 or nothing, found 8
        Mixture-of-experts models are not supported."
    `);
    expect(llama({ "llama.logit_scale": { f32: 0.25 } })).toMatchInlineSnapshot(`
      "Reading GGUF m.gguf, metadata "llama.logit_scale": expected 1 or nothing, found 0.25
        This variant of the architecture is not supported yet."
    `);
    expect(llama({ "llama.attention.head_count": { i32s: [2, 4] } })).toMatchInlineSnapshot(`
      "Reading GGUF m.gguf, metadata "llama.attention.head_count": expected one positive integer for all layers, found [2, 4]
        Models whose layers differ in size are not supported."
    `);
    expect(llama({ "llama.rope.scaling.type": { text: "spiral" } })).toMatchInlineSnapshot(`
      "Reading GGUF m.gguf, metadata "llama.rope.scaling.type": expected none, linear, yarn or longrope, found "spiral"
        This way of stretching positions is not supported yet."
    `);
    expect(llama({}, [embedding, { name: "blk.0.ffn_gate_inp.weight", shape: [2, 8] }])).toMatchInlineSnapshot(`
      "Reading GGUF m.gguf, tensor "blk.0.ffn_gate_inp.weight": expected a parameter of a llama model, found an unknown name
        This variant of the architecture is not supported yet."
    `);
  });

  it("types that remora does not compute with, naming tensor and type", () => {
    expect(llama({}, [embedding, { name: "blk.0.ffn_down.weight", type: "IQ4_XS", shape: [8, 256] }])).toMatchInlineSnapshot(`
      "Reading GGUF m.gguf, tensor "blk.0.ffn_down.weight": expected a type of F32, F16, BF16, Q8_0, Q4_0, Q4_1, Q5_0, Q5_1, Q4_K, Q5_K, Q6_K, found IQ4_XS
        Use a file of the model in another quantization, such as Q4_K_M or Q8_0."
    `);
  });

  it("metadata that is missing or does not fit the tensors", () => {
    expect(llama({ "llama.block_count": { text: "one" } })).toMatchInlineSnapshot(`
      "Reading GGUF m.gguf, metadata "llama.block_count": expected a number, found "one"
        The file is damaged or incomplete: download or copy it again."
    `);
    expect(llama({ "llama.block_count": { u32: 2 ** 31 } })).toMatchInlineSnapshot(`
      "Reading GGUF m.gguf, metadata "llama.block_count": expected no more layers than the 1 tensor of the file, found 2147483648
        The file is damaged or incomplete: download or copy it again."
    `);
    expect(llama({}, [{ ...embedding, name: "output.weight" }])).toMatchInlineSnapshot(`
      "Reading GGUF m.gguf, tensor token_embd.weight: expected a matrix [vocabulary, width], found nothing
        The file is damaged or incomplete: download or copy it again."
    `);
    expect(llama({}, [embedding, { name: "blk.0.attn_q.weight", shape: [12, 8] }])).toMatchInlineSnapshot(`
      "Reading GGUF m.gguf, tensor "blk.0.attn_q.weight": expected 2 heads of 4 rows (an even number), found [12, 8]
        The file's metadata and its tensors do not agree: download it again."
    `);
    expect(llama({}, [embedding, { name: "rope_freqs.weight", shape: [5] }])).toMatchInlineSnapshot(`
      "Reading GGUF m.gguf, tensor rope_freqs.weight: expected F32 [2], found F32 [5]
        The file is damaged or incomplete: download or copy it again."
    `);
    const { "llama.context_length": _, ...without } = metadata("llama");
    expect(attempt({ metadata: without, tensors: [embedding] })).toMatchInlineSnapshot(`
      "Reading GGUF m.gguf, metadata "llama.context_length": expected a positive integer, found nothing
        The file is damaged or incomplete: download or copy it again."
    `);
  });
});

it("damaged models are read or refused by a RemoraError, whatever the damage", () => {
  const heads = {
    "llama.rope.scaling.type": { text: "yarn" },
    "llama.rope.scaling.factor": { f32: 4 },
    "llama.attention.sliding_window": { u32: 8 },
  };
  const tensors = [
    embedding,
    { name: "blk.0.attn_q.weight", shape: [8, 8] },
    { name: "blk.0.attn_k.weight", type: "F16" as const, shape: [4, 8] },
  ];
  const original = makeGguf({ metadata: metadata("llama", heads), tensors: [...tensors, { name: "rope_freqs.weight", shape: [2] }] });
  const random = createRandom(3);
  const path = join(folder, "fuzz.gguf");
  let refused = 0;
  for (let run = 0; run < 800; run++) {
    writeFileSync(path, damage(original, original.length - 600, random));
    try {
      const source = openGgufModel(path);
      for (const name of source.names()) readStoredTensor(source.tensor(name)!);
    } catch (error) {
      if (!RemoraError.isInstance(error)) throw error;
      if (/undefined|NaN|\[object/.test(error.message)) throw new Error(`run ${run}: a poor message: ${error.message}`);
      refused++;
    }
  }
  expect(refused).toBeGreaterThan(400);
});
