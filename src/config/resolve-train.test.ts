import { expect, test } from "vitest";
import { parseConfig } from "./parse.ts";
import { resolveTrainConfig, type TrainFacts } from "./resolve-train.ts";
import { type TrainConfigInput, trainSchema } from "./schemas/train.ts";

const cpu: TrainFacts = {
  device: { kind: "cpu", name: "cpu", architecture: "avx512-bf16", threads: 2, activationDTypes: ["bf16", "f32"] },
  model: { maxPositions: 8192, storedAs: "q4_1", quantized: true, hasChatTemplate: true },
  data: { rows: 1000, fields: ["instruction", "input", "output"], longestRow: 301, tokens: 90_000 },
};
const resolve = (input: Partial<TrainConfigInput>, facts: TrainFacts = cpu) =>
  resolveTrainConfig(parseConfig(trainSchema, { model: "m", data: "d", ...input }, "Configuring"), facts);

test("everything is filled, each derived value with its reason", () => {
  const { reasons, ...config } = resolve({});
  expect(config).toMatchObject({
    base: "file",
    compute: "bf16",
    template: "instruct",
    blockLength: 320,
    batchSize: 6,
    epochs: 1,
    maxSteps: 45,
    learningRate: 2e-4,
    warmupSteps: 1,
    evalEvery: 5,
    threads: 2,
    validation: { count: 50 },
  });
  expect(config.lora.alpha).toBe(16);
  expect(reasons).toMatchInlineSnapshot(`
    {
      "base": "file: stored as q4_1",
      "batchSize": "about 2,048 tokens a step on cpu",
      "blockLength": "the longest row has 301 tokens",
      "compute": "bf16: the fastest on cpu (avx512-bf16)",
      "epochs": "one pass over the data",
      "evalEvery": "a tenth of the run",
      "learningRate": "2e-4: usual for lora",
      "lora.alpha": "equal to the rank: scale 1",
      "maxSteps": "1 × about 45 steps an epoch",
      "template": "instruct: rows have instruction",
      "threads": "the cores this process may use",
      "validation.count": "5% of 1,000 rows, at most 200",
      "warmupSteps": "0.03 of 45 steps",
    }
  `);
});

test("what the user set is kept and has no reason", () => {
  const config = resolve({
    compute: "f32",
    base: "bf16",
    blockLength: 512,
    maxSteps: 7,
    learningRate: 1e-5,
    lora: { alpha: 32 },
    validation: { fraction: 0.1 },
  });
  expect(config).toMatchObject({
    compute: "f32",
    base: "bf16",
    blockLength: 512,
    maxSteps: 7,
    learningRate: 1e-5,
    validation: { count: 100 },
  });
  expect(Object.keys(config.reasons).sort()).toEqual(["batchSize", "epochs", "evalEvery", "template", "threads", "warmupSteps"]);
});

test.each([
  [{ method: "qlora" } as const, { base: "nf4" }],
  [{ method: "full" } as const, { base: "f32", learningRate: 2e-5 }],
  [{ method: "full", objective: "pretrain" } as const, { template: "raw", learningRate: 1e-3 }],
])("%o", (input, expected) => {
  expect(resolve(input)).toMatchObject(expected);
});

test("a model shorter than the usual block, few rows, a GPU", () => {
  const facts: TrainFacts = {
    device: { kind: "cuda", name: "cuda:0", architecture: "sm_90", threads: 8, activationDTypes: ["bf16"] },
    model: { maxPositions: 512, storedAs: "bf16", quantized: false, hasChatTemplate: false },
    data: { rows: 30, fields: ["messages"], longestRow: 3000, tokens: 60_000 },
  };
  expect(resolve({}, facts)).toMatchObject({ base: "bf16", blockLength: 512, batchSize: 11, template: "chat", validation: { count: 0 } });
});
