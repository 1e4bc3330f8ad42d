import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { flopsPerToken } from "../../src/training/memory-plan.ts";
import { NEMO_SHAPE } from "../../src/training/testing/nemo-shape.ts";
import { countStep, timeStep } from "./step-roofline.ts";

const counted = countStep(NEMO_SHAPE, { tokens: 8192, length: 2048, rank: 16 });

test("products and attention are those of the plan", () => {
  const settings = { method: "qlora", base: "nf4", embeddingFormat: "bf16", compute: "bf16", optimizerState: "f32" } as const;
  const sizes = { blockLength: 2048, batchSize: 4, gradientAccumulation: 1, recompute: "cheap", adapters: [] } as const;
  const flops = counted.reduce((sum, op) => sum + op.flops, 0);
  expect(flops / 8192 / flopsPerToken(NEMO_SHAPE, { ...settings, ...sizes })).toBeCloseTo(1, 6);
});

test("fp8 changes the unit of the layers' products, and rounds 28,672 + 45,056 columns a token and layer instead of decoding, 10,240 of them apart", () => {
  const fp8 = countStep(NEMO_SHAPE, { tokens: 8192, length: 2048, rank: 16, fp8: true });
  const bytes = (ops: typeof fp8, name: string) => ops.find((op) => op.name === name)?.bytes;
  expect(bytes(fp8, "rounding to E4M3")).toBe(40 * 8192 * (28672 + 45056 + 2 * 10240));
  expect(bytes(fp8, "decode of NF4")).toBeUndefined();
  const rates = { product: 700e12, attention: 370e12, copy: 2.9e12 };
  const layers = 4 * 40 * 8192 * (5120 * 6144 + 4096 * 5120 + 5120 * 28672 + 14336 * 5120);
  expect(timeStep(fp8, { ...rates, fp8: 1400e12 }).ops.get("products of the layers")).toBeCloseTo(layers / 1400e12, 9);
  expect(timeStep(fp8, rates).seconds).toBeNaN(); // a card without them
});

test("from a card's measured peaks the step that was measured on it comes out within a tenth", () => {
  const { results } = JSON.parse(readFileSync(new URL("../results/gpu.json", import.meta.url), "utf8"));
  const peaks = results.find((line: { work: string }) => line.work === "peaks");
  const step = results.find((line: { name: string }) => line.name === "NF4, cheap recompute");
  const rates = { product: peaks.bf16Tflops * 1e12, copy: peaks.copyGbPerSecond * 1e9, attention: 370e12 };
  const { seconds } = timeStep(counted, rates);
  expect(8192 / seconds / step.tokensPerSecond).toBeGreaterThan(0.9);
  expect(8192 / seconds / step.tokensPerSecond).toBeLessThan(1.1);
});
