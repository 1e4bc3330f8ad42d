import { expect, test } from "vitest";
import { parseConfig } from "./parse.ts";
import { generateSchema } from "./schemas/generate.ts";
import { planSchema } from "./schemas/plan.ts";
import { trainSchema } from "./schemas/train.ts";

const parseTrain = (value: unknown) => parseConfig(trainSchema, value, "Configuring remora train");

test("a model and data are enough", () => {
  const config = parseTrain({ model: "m", data: "rows.jsonl" });
  expect(config).toMatchObject({ method: "lora", out: "run", packing: true, maxGradNorm: 1, seed: 0, checkpointEvery: { minutes: 10 } });
  expect(config.lora).toEqual({
    rank: 16,
    rsLora: false,
    dropout: 0,
    targets: ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"],
  });
});

test("all problems are reported at once, each with its path and the nearest name", () => {
  expect(() =>
    parseTrain({
      data: [],
      method: "qlroa",
      batchSize: 0,
      batchSiez: 4,
      rank: 8,
      lora: { dropout: 2, Alpha: 32 },
      device: "gpu",
      learningRate: "2e-4",
      maxSteps: 1.5,
      columns: 7,
      packing: "yes",
      model: null,
    }),
  ).toThrowErrorMatchingInlineSnapshot(`
    [ConfigError: Configuring remora train: 13 problems
      - model: expected text, found null
      - data: expected something that is not empty, found []
      - columns: expected a group of options, found 7
      - method: expected lora | qlora | full, found "qlroa" (did you mean qlora?)
      - lora.dropout: expected a number of at most 1, found 2
      - lora.Alpha: there is no such option (did you mean lora.alpha?)
      - batchSize: expected a number of at least 1, found 0
      - packing: expected a boolean, found "yes"
      - maxSteps: expected a whole number, found 1.5
      - learningRate: expected a number, found "2e-4"
      - device: expected auto, cpu, cuda or cuda:N (such as cuda:0), found "gpu"
      - batchSiez: there is no such option (did you mean batchSize?)
      - rank: there is no such option (did you mean lora.rank?)]
  `);
});

test("one problem is one line", () => {
  expect(() =>
    parseConfig(generateSchema, { model: "m", temprature: 1 }, "Configuring remora generate"),
  ).toThrowErrorMatchingInlineSnapshot(
    `[ConfigError: Configuring remora generate: temprature: there is no such option (did you mean temperature?)]`,
  );
});

test("options that contradict each other", () => {
  expect(() =>
    parseTrain({ model: "m", data: "d", method: "qlora", base: "f32", validation: { count: 5, fraction: 0.1 } }),
  ).toThrowErrorMatchingInlineSnapshot(`
    [ConfigError: Configuring remora train: 2 problems
      - base: expected auto, nf4 or file, because the method is qlora, found "f32"
      - validation: expected one of fraction, count and path, found {"count":5,"fraction":0.1}]
  `);
  expect(() =>
    parseConfig(planSchema, { model: "m", method: "full", base: "nf4" }, "Configuring remora plan"),
  ).toThrowErrorMatchingInlineSnapshot(
    `[ConfigError: Configuring remora plan: base: expected auto or f32, because all weights are trained, found "nf4"]`,
  );
});
