import { describe, expect, it } from "vitest";
import { measureDivergence } from "./divergence.ts";
import type { ReferenceText } from "./reference-file.ts";

/** A reference that keeps the `top` likeliest of each row of probabilities. */
function reference(tokens: number[], probabilities: number[][], top: number): ReferenceText {
  const kept = probabilities.map((row) =>
    row
      .map((probability, id) => ({ probability, id }))
      .sort((a, b) => b.probability - a.probability)
      .slice(0, top),
  );
  return {
    name: "test",
    tokens: Int32Array.from(tokens),
    top,
    topIds: Int32Array.from(kept.flat(), ({ id }) => id),
    topLogprobs: Float32Array.from(kept.flat(), ({ probability }) => Math.log(probability)),
  };
}
const logits = (probabilities: number[], shift = 0) => Float32Array.from(probabilities, (p) => Math.log(p) + shift);

describe("measureDivergence", () => {
  const first = [0.5, 0.3, 0.15, 0.05];
  const second = [0.1, 0.2, 0.3, 0.4];

  it("is zero for equal distributions, whatever constant is added to the logits", async () => {
    const result = await measureDivergence(reference([0, 1], [first, second], 4), [logits(first, 7), logits(second, -3)]);
    expect(result.klMean).toBeCloseTo(0, 6);
    expect(result).toMatchObject({ positions: 2, sameTop: 1, clearPositions: 1, sameTopClear: 1 });
    // only position 0 has a next token: token 1, which it gives 0.3
    expect(result.referenceLoss).toBeCloseTo(-Math.log(0.3), 6);
    expect(result.ourLoss).toBeCloseTo(-Math.log(0.3), 6);
  });

  it("equals the sum worked by hand when all tokens are kept", async () => {
    const expected = first.reduce((sum, p, i) => sum + p * Math.log(p / second[i]!), 0);
    const result = await measureDivergence(reference([0], [first], 4), [logits(second)]);
    expect(result.klMean).toBeCloseTo(expected, 6);
    expect(result.sameTop).toBe(0);
  });

  it("counts what was not kept as one more token", async () => {
    const merged = 0.5 * Math.log(0.5 / 0.1) + 0.3 * Math.log(0.3 / 0.2) + 0.2 * Math.log(0.2 / 0.7);
    const result = await measureDivergence(reference([0], [first], 2), [logits(second)]);
    expect(result.klMean).toBeCloseTo(merged, 6);
    expect(result.restMass).toBeCloseTo(0.2, 6);
  });

  it("sees two swapped rows", async () => {
    const result = await measureDivergence(reference([0, 1], [first, second], 4), [logits(second), logits(first)]);
    expect(result.klMean).toBeGreaterThan(0.3);
    expect(result.klMax).toBeGreaterThanOrEqual(result.klMean);
  });

  it("refuses a reference of another vocabulary", async () => {
    await expect(measureDivergence(reference([0], [first], 4), [logits([0.5, 0.5])])).rejects.toThrowErrorMatchingInlineSnapshot(
      `[RangeError: the reference names token 2; our vocabulary has 2]`,
    );
  });
});
