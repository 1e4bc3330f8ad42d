import { expect, test } from "vitest";
import { nearestName } from "./nearest-name.ts";

const known = ["batchSize", "blockLength", "lora.rank", "lora.alpha", "learningRate", "seed"];

test.each([
  ["batch_size", "batchSize"],
  ["batchSiez", "batchSize"],
  ["rank", "lora.rank"],
  ["lr.alpha", "lora.alpha"],
  ["learnRate", "learningRate"],
  ["sed", "seed"],
  ["temperature", undefined],
  ["x", undefined],
])("%s → %s", (name, expected) => {
  expect(nearestName(name, known)).toBe(expected);
});
