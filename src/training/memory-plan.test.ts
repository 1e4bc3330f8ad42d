import { describe, expect, it } from "vitest";
import { readDecoderShape } from "../models/registry.ts";
import { type PlanSettings, planMemory } from "./memory-plan.ts";

const shape = readDecoderShape(
  {
    model_type: "mistral",
    vocab_size: 131072,
    hidden_size: 5120,
    num_hidden_layers: 40,
    num_attention_heads: 32,
    num_key_value_heads: 8,
    head_dim: 128,
    intermediate_size: 14336,
    max_position_embeddings: 131072,
    rms_norm_eps: 1e-5,
    rope_theta: 1000000,
    hidden_act: "silu",
    tie_word_embeddings: false,
  },
  "test",
);
const settings: PlanSettings = {
  method: "qlora",
  base: "nf4",
  embeddingFormat: "bf16",
  compute: "bf16",
  blockLength: 2048,
  batchSize: 4,
  gradientAccumulation: 1,
  recompute: "layers",
  optimizerState: "f32",
  adapters: [],
};

describe("planMemory", () => {
  it("charges the process to the machine's memory, not to a card's", () => {
    const cpu = planMemory("Nemo", shape, settings, { name: "cpu", availableBytes: 1e11 });
    const card = planMemory("Nemo", shape, settings, { name: "cuda:0", availableBytes: 1e11, hasOwnMemory: true });
    expect(cpu.items.map(({ name }) => name)).toContain("process");
    expect(card.items.map(({ name }) => name)).not.toContain("process");
    expect(cpu.totalBytes).toBe(cpu.items.reduce((total, { bytes }) => total + bytes, 0));
    // The knobs are priced the same way, with what only a card keeps.
    const own = (name: string) => card.items.find((item) => item.name === name)!.bytes;
    const head = (plan: typeof cpu) => plan.items.find(({ name }) => name === "head")!.bytes;
    const more = own("decoded weights") + own("card") + head(card) - head(cpu) - 250e6;
    expect(card.totalBytes - cpu.totalBytes).toBe(more);
    const shorter = (plan: typeof cpu) => plan.knobs.find(({ change }) => change.startsWith("blockLength"))!.totalBytes;
    expect(shorter(card) - shorter(cpu)).toBe(more);
    expect(card.knobs.length).toBeGreaterThan(0);
  });
});
