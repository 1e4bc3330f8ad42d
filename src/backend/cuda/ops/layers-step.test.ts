import { describe, expect, it } from "vitest";
import { roomy } from "./layers-step.ts";

const NEMO = { C: 5120, F: 14336, H: 32, K: 8, D: 128 };
const LLAMA_8B = { C: 4096, F: 14336, H: 32, K: 8, D: 128 };

describe("room for a block's share of a layer", () => {
  it("is there for models of 8 and 12 billion on whole and on smaller Hopper cards", () => {
    for (const multiprocessors of [132, 114]) for (const sizes of [NEMO, LLAMA_8B]) expect(roomy(sizes, multiprocessors)).toBe(true);
  });

  it("is not there where few blocks share the rows, or the rows are too wide", () => {
    expect(roomy(NEMO, 100)).toBe(false);
    expect(roomy(NEMO, 3)).toBe(false);
    expect(roomy({ C: 16384, F: 16384, H: 128, K: 8, D: 128 }, 132)).toBe(false);
  });
});
