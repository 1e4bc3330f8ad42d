import { expect, test } from "vitest";
import { fastestAlike } from "./algorithm-search.ts";

/** Algorithms by name: milliseconds of their calls, in order, and what they write. */
function trial(algorithms: Readonly<Record<string, { ms: readonly number[]; bits?: number }>>) {
  const calls = new Map<string, number>();
  return {
    advised: Object.keys(algorithms),
    time(name: string) {
      const call = calls.get(name) ?? 0;
      calls.set(name, call + 1);
      const { ms } = algorithms[name]!;
      return ms[Math.min(call, ms.length - 1)]!;
    },
    result: (name: string) => Uint8Array.of(algorithms[name]!.bits ?? 0),
    calls,
  };
}

test("the fastest of those that write the same bits is taken", () => {
  expect(fastestAlike(trial({ first: { ms: [10] }, second: { ms: [9] }, other: { ms: [5], bits: 1 } }))).toBe("second");
});

test("the first stays when another gains next to nothing", () => {
  expect(fastestAlike(trial({ first: { ms: [10] }, second: { ms: [9.99] } }))).toBe("first");
});

test("one slow moment decides nothing", () => {
  expect(fastestAlike(trial({ first: { ms: [10] }, second: { ms: [10.3, 9] } }))).toBe("second");
});

test("what is far behind after a round is not tried again, the first always is", () => {
  const slow = trial({ first: { ms: [20] }, second: { ms: [10] }, third: { ms: [15] }, fourth: { ms: [10.1] } });
  expect(fastestAlike(slow)).toBe("second");
  expect(slow.calls.get("third")).toBe(1);
  expect(slow.calls.get("first")).toBe(4);
  expect(slow.calls.get("fourth")).toBe(4);
});

test("a single advice is not timed", () => {
  const only = trial({ first: { ms: [10] } });
  expect(fastestAlike(only)).toBe("first");
  expect(only.calls.size).toBe(0);
});
