import { describe, expect, it } from "vitest";
import { GGML_TYPES } from "../formats/ggml-types.ts";
import { WEIGHT_FORMATS } from "../quant/weight-formats.ts";
import { GGUF_ARCHITECTURES, type GgufArchitecture, ggufName, huggingFaceName } from "./gguf-names.ts";

const LAYER_PARTS: Record<GgufArchitecture, string[]> = {
  llama: ["attn_norm", "attn_q", "attn_k", "attn_v", "attn_output", "ffn_norm", "ffn_gate", "ffn_up", "ffn_down"],
  mistral: ["attn_q"],
  qwen2: ["attn_q", "ffn_norm"],
  qwen3: ["attn_q_norm", "attn_k_norm"],
  gemma3: ["post_attention_norm", "ffn_norm", "post_ffw_norm", "attn_q_norm"],
  phi3: ["attn_qkv", "ffn_up", "ffn_down", "ffn_norm"],
};

describe("GGUF names", () => {
  it.each(Object.keys(GGUF_ARCHITECTURES) as GgufArchitecture[])("of %s go to Hugging Face's and back", (architecture) => {
    const names = [
      "token_embd.weight",
      "output.weight",
      "output_norm.weight",
      ...LAYER_PARTS[architecture].map((part) => `blk.11.${part}.weight`),
    ];
    for (const name of names) expect(ggufName(architecture, huggingFaceName(architecture, name)!)).toBe(name);
  });

  it("are those that Transformers uses", () => {
    expect(huggingFaceName("llama", "blk.3.attn_output.weight")).toBe("model.layers.3.self_attn.o_proj.weight");
    expect(huggingFaceName("llama", "blk.3.ffn_norm.weight")).toBe("model.layers.3.post_attention_layernorm.weight");
    expect(huggingFaceName("qwen2", "blk.0.attn_k.bias")).toBe("model.layers.0.self_attn.k_proj.bias");
    expect(huggingFaceName("gemma3", "blk.0.ffn_norm.weight")).toBe("model.layers.0.pre_feedforward_layernorm.weight");
    expect(huggingFaceName("gemma3", "blk.0.post_attention_norm.weight")).toBe("model.layers.0.post_attention_layernorm.weight");
    expect(huggingFaceName("phi3", "blk.0.ffn_up.weight")).toBe("model.layers.0.mlp.gate_up_proj.weight");
  });

  it("that an architecture does not have are unknown", () => {
    for (const name of [
      "blk.0.ffn_gate_inp.weight",
      "blk.x.attn_q.weight",
      "constructor.weight",
      "blk.0.constructor.weight",
      "output",
      "",
    ]) {
      expect(huggingFaceName("llama", name)).toBeUndefined();
    }
    expect(huggingFaceName("llama", "blk.0.attn_qkv.weight")).toBeUndefined();
    expect(huggingFaceName("qwen2", "blk.0.attn_q_norm.weight")).toBeUndefined();
    expect(ggufName("llama", "model.layers.0.self_attn.rotary_emb.inv_freq")).toBeUndefined();
  });
});

it("the sizes of block formats agree between the file format and the number format", () => {
  for (const { format, blockElements, blockBytes, family } of Object.values(WEIGHT_FORMATS)) {
    if (family !== "gguf" && family !== "dense") continue;
    const type = GGML_TYPES[format.toUpperCase() as keyof typeof GGML_TYPES];
    expect([format, type.blockElements, type.blockBytes]).toEqual([format, blockElements, blockBytes]);
  }
});
