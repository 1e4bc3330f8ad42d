import { expect, it } from "vitest";
import type { SamplingOperand } from "./backend.ts";
import { compareWithReference } from "./testing/compare-with-reference.ts";
import { describeOnEachDevice } from "./testing/describe-on-each-device.ts";
import { expectClose } from "./testing/expect-close.ts";
import { RandomData } from "./testing/random-data.ts";
import { TestArrays } from "./testing/test-arrays.ts";

interface Controls {
  temperature?: number;
  topK?: number;
  topP?: number;
  minP?: number;
  penalty?: number;
  history?: readonly number[];
}

/** The same controls for every row; row b has seed b and the step given. */
function controlsOf(arrays: TestArrays, B: number, controls: Controls, step = 0): SamplingOperand {
  const { temperature = 1, topK = 0, topP = 1, minP = 0, penalty = 1, history = [] } = controls;
  const repeat = (row: readonly number[]) => Array.from({ length: B }, () => row).flat();
  return {
    params: arrays.input("f32", [B, 5], repeat([temperature, topK, topP, minP, penalty])),
    seeds: arrays.input(
      "u64",
      [B],
      Array.from({ length: B }, (_, b) => b * 7919 + 1),
    ),
    steps: arrays.input("i32", [B], repeat([step])),
    history: arrays.input("i32", [B, history.length], repeat(history)),
    historyLength: arrays.input("i32", [B], repeat([history.length])),
  };
}

describeOnEachDevice("sampling", (device) => {
  /** Draws once for each of B rows of the same logits. */
  async function draw(logits: readonly number[], controls: Controls, B: number) {
    const arrays = new TestArrays(device.backend());
    const [ids, logprobs] = [arrays.output("ids", "i32", [B]), arrays.output("logprobs", "f32", [B])];
    arrays.reset();
    const rows = Array.from({ length: B }, () => logits).flat();
    device.backend().sample(arrays.input("f32", [B, logits.length], rows), controlsOf(arrays, B, controls), ids, logprobs);
    const result = { ids: Array.from(await arrays.read(ids)), logprobs: await arrays.read(logprobs) };
    arrays.release();
    return result;
  }

  it("is greedy at temperature 0: the lowest id among equals, with its probability", async () => {
    const { ids, logprobs } = await draw([0, Math.log(3), Math.log(3), 0], { temperature: 0 }, 1);
    expect(ids).toEqual([1]);
    expectClose(logprobs, [Math.log(3 / 8)], { name: "logprob", tolerance: 1e-6 });
  });

  it("draws as often as the probabilities say", async () => {
    const { ids } = await draw([Math.log(1), Math.log(2), Math.log(5)], {}, 4000);
    const share = (id: number) => ids.filter((drawn) => drawn === id).length / 4000;
    expect(share(0)).toBeCloseTo(0.125, 1);
    expect(share(1)).toBeCloseTo(0.25, 1);
    expect(share(2)).toBeCloseTo(0.625, 1);
  });

  const logits = [0.5, 2, 1, 1.9, -3, 0];
  it.each([
    ["top-k keeps the best k", { topK: 2 }, [1, 3]],
    ["top-k keeps the lower id among equals", { topK: 1, penalty: 2, history: [1, 3] }, [1]],
    // Probabilities of 2, 1.9 and 1 are 0.39, 0.35 and 0.14: 0.7 is reached by two of them, 0.8 by three.
    ["top-p keeps the shortest prefix that reaches p", { topP: 0.7 }, [1, 3]],
    ["top-p keeps one more when it must", { topP: 0.8 }, [1, 2, 3]],
    ["top-p keeps at least one", { topP: 0.0001 }, [1]],
    ["min-p drops what is far below the best", { minP: 0.3 }, [1, 2, 3]],
    ["a low temperature sharpens", { temperature: 0.01 }, [1]],
    [
      "the penalty divides positive and multiplies negative logits, once",
      { temperature: 0.01, penalty: 10, history: [1, 1, 3, 4, -1, 99] },
      [2],
    ],
  ] satisfies [string, Controls, number[]][])("%s", async (_, controls, survivors) => {
    const { ids } = await draw(logits, controls, 500);
    expect([...new Set(ids)].sort()).toEqual(survivors);
  });

  it("equals the reference on a large vocabulary, with everything on and with each alone", async () => {
    const everything = { temperature: 0.8, topK: 50, topP: 0.9, minP: 0.01, penalty: 1.2, history: [5, 5, 17, 1000] };
    for (const [name, controls] of Object.entries({
      everything,
      plain: {},
      topK: { topK: 40 },
      topP: { topP: 0.95 },
      minP: { minP: 0.05, temperature: 1.5 },
      penalty: { penalty: 1.3, history: [1, 2, 3] },
      greedy: { temperature: 0, penalty: 1.1, history: [7] },
    } satisfies Record<string, Controls>)) {
      await compareWithReference(
        device.backend(),
        (arrays) => {
          const [B, V] = [9, 5003];
          const x = arrays.input("f32", [B, V], new RandomData(77).normals(B * V, 2));
          const operand = controlsOf(arrays, B, controls, 3);
          const [ids, logprobs] = [arrays.output("ids", "i32", [B]), arrays.output("logprobs", "f32", [B])];
          return () => arrays.backend.sample(x, operand, ids, logprobs);
        },
        { label: name },
      );
    }
  });

  it("is a function of seed and step alone", async () => {
    const arrays = new TestArrays(device.backend());
    const random = new RandomData(1);
    const row = Array.from(random.normals(300));
    const [ids, logprobs] = [arrays.output("ids", "i32", [2]), arrays.output("logprobs", "f32", [2])];
    const drawn: number[][] = [];
    for (const [step, order] of [
      [0, [1, 2]],
      [0, [2, 1]],
      [1, [1, 2]],
    ] as const) {
      const controls = { ...controlsOf(arrays, 2, {}, step), seeds: arrays.input("u64", [2], order) };
      device.backend().sample(arrays.input("f32", [2, 300], [...row, ...row]), controls, ids, logprobs);
      drawn.push(Array.from(await arrays.read(ids)));
    }
    expect(drawn[1]).toEqual([drawn[0]![1], drawn[0]![0]]);
    expect(drawn[2]).not.toEqual(drawn[0]);
    arrays.release();
  });
});
