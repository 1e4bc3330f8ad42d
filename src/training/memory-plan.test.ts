import { describe, expect, it } from "vitest";
import { type PlanSettings, planMemory } from "./memory-plan.ts";
import { NEMO_SHAPE } from "./testing/nemo-shape.ts";

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
    const cpu = planMemory("Nemo", NEMO_SHAPE, settings, { name: "cpu", availableBytes: 1e11 });
    const card = planMemory("Nemo", NEMO_SHAPE, settings, { name: "cuda:0", availableBytes: 1e11, hasOwnMemory: true });
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

  it("charges a card for the sums of attention in one walk", () => {
    const device = { name: "cuda:0", availableBytes: 1e11, hasOwnMemory: true };
    const total = (deterministic: boolean) => planMemory("Nemo", NEMO_SHAPE, { ...settings, deterministic }, device).totalBytes;
    expect(total(false) - total(true)).toBe(4 * 8192 * NEMO_SHAPE.heads * NEMO_SHAPE.headDim);
  });
});
