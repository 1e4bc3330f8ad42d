import { expect, test } from "vitest";
import { mergeConfigs } from "./merge.ts";

test("later wins, groups merge, undefined says nothing, lists are replaced", () => {
  const file = { model: "a", lora: { rank: 8, targets: ["q_proj", "v_proj"] }, seed: 1 };
  const flags = { model: undefined, lora: { targets: ["o_proj"] }, seed: 2 };
  expect(mergeConfigs(file, flags)).toEqual({ model: "a", lora: { rank: 8, targets: ["o_proj"] }, seed: 2 });
});
