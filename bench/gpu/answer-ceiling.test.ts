import { expect, test } from "vitest";
import { NEMO_SHAPE } from "../../src/training/testing/nemo-shape.ts";
import { answerCeiling, countAnswerStep, promptFlops } from "./answer-ceiling.ts";

const LAYER = 5120 * 6144 + 4096 * 5120 + 5120 * 28672 + 14336 * 5120;

test("one row of Nemo reads 5.6 GB of layers and 1.3 GB of head", () => {
  const { bytes, flops } = countAnswerStep(NEMO_SHAPE, 1, 0);
  expect(bytes).toBeCloseTo(40 * LAYER * (0.5 + 1 / 64 + 1 / 4096) + 2 * 131072 * 5120, 0);
  expect(bytes / 1e9).toBeCloseTo(6.97, 2);
  expect(flops).toBe(2 * (40 * LAYER + 131072 * 5120));
});

test("the ceiling is that of bytes for few rows, of products for many, and keys count", () => {
  const peaks = { copy: 4.8e12, product: 700e12 };
  expect(answerCeiling(NEMO_SHAPE, 1, 0, peaks)).toBeCloseTo(688.7, 0);
  expect(answerCeiling(NEMO_SHAPE, 1024, 0, peaks)).toBeCloseTo(700e12 / (2 * (40 * LAYER + 131072 * 5120)), 0);
  expect(answerCeiling(NEMO_SHAPE, 8, 4096, peaks)).toBeLessThan(answerCeiling(NEMO_SHAPE, 8, 0, peaks));
});

test("a prompt multiplies each layer weight once a token", () => {
  expect(promptFlops(NEMO_SHAPE, 1)).toBe(2 * 40 * LAYER + 2 * 131072 * 5120 + 40 * 4 * 4096 * 0.5);
});
