import { expect, it } from "vitest";
import { OutOfMemoryError, withPlan } from "./out-of-memory-error.ts";

it("names what the memory was for, what the plan had counted, and the knobs", () => {
  const error = new OutOfMemoryError({ doing: 'Allocating "logits"', device: "cuda:0", neededBytes: 8e8, freeBytes: 2.5e8 });
  const plan = {
    model: "Nemo",
    device: "cuda:0",
    method: "qlora",
    items: [
      { name: "base weights", bytes: 8.31e9, why: "" },
      { name: "activations", bytes: 4.82e9, why: "" },
    ],
    totalBytes: 13.13e9,
    availableBytes: 15e9,
    fits: true,
    knobs: [{ change: "batchSize: 2, gradientAccumulation: 2", totalBytes: 10.7e9, fits: true }],
  };
  const told = withPlan(error, plan);
  expect(told.message).toMatchInlineSnapshot(`
    "Allocating "logits": needs 800.0 MB; cuda:0 has 250.0 MB free
      The plan counted 13.1 GB of 15.0 GB free: base weights 8.31 GB · activations 4.82 GB.
      Try batchSize: 2, gradientAccumulation: 2 (about 10.70 GB). The last checkpoint, if there is one, is intact: go on from it with --resume."
  `);
  expect(OutOfMemoryError.isInstance(told)).toBe(true);
  expect(told.cause).toBe(error);
});
