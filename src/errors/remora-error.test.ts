import { expect, it } from "vitest";
import { CancelledError } from "./cancelled-error.ts";
import { OutOfMemoryError } from "./out-of-memory-error.ts";
import { RemoraError } from "./remora-error.ts";
import { RequestError } from "./request-error.ts";

const cancelled = new CancelledError("Training");
const request = new RequestError(0, 900, 512);

it("every class knows its own errors and no others'", () => {
  for (const error of [cancelled, request]) expect(RemoraError.isInstance(error)).toBe(true);
  expect([CancelledError, RequestError, OutOfMemoryError].map((each) => each.isInstance(cancelled))).toEqual([true, false, false]);
  expect([CancelledError, RequestError, OutOfMemoryError].map((each) => each.isInstance(request))).toEqual([false, true, false]);
});

it("by name where the class is another copy's, or the error was put together from data", () => {
  const remade = Object.assign(new RemoraError("request", 2, { doing: "Answering", problem: "too long" }), { name: "RequestError" });
  expect([RemoraError, RequestError, CancelledError].map((each) => each.isInstance(remade))).toEqual([true, true, false]);
});

it("never something else, whatever its name says", () => {
  const others = [
    new Error("no"),
    Object.assign(new Error("no"), { name: "CancelledError" }),
    { name: "CancelledError" },
    null,
    undefined,
    "x",
  ];
  for (const other of others) expect([RemoraError.isInstance(other), CancelledError.isInstance(other)]).toEqual([false, false]);
});
