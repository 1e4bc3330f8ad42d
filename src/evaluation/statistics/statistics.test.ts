import { describe, expect, test } from "vitest";
import { meanInterval, pairedDifference, quantile } from "./bootstrap.ts";
import { bradleyTerry } from "./bradley-terry.ts";
import { randomStream } from "./random-stream.ts";
import { shareInterval } from "./wilson.ts";

describe("resampled intervals", () => {
  test("the same seed gives the same interval; equal values give no width", () => {
    const values = Array.from({ length: 40 }, (_, index) => (index * 37) % 11);
    expect(meanInterval(values, 3)).toEqual(meanInterval(values, 3));
    expect(meanInterval([2, 2, 2])).toEqual({ mean: 2, low: 2, high: 2, count: 3 });
    expect(meanInterval([])).toBeUndefined();
  });
  test("95% intervals hold the true mean about 95 times in 100", () => {
    const random = randomStream(11);
    let held = 0;
    for (let trial = 0; trial < 400; trial++) {
      const interval = meanInterval(Array.from({ length: 60 }, random), trial)!;
      if (interval.low <= 0.5 && interval.high >= 0.5) held++;
    }
    expect(held / 400).toBeGreaterThan(0.9);
    expect(held / 400).toBeLessThan(0.985);
  });
  test("paired: a small steady gain shows although questions differ widely", () => {
    const random = randomStream(5);
    const base = Array.from({ length: 50 }, random);
    const tuned = base.map((value) => value + 0.02 + 0.01 * random());
    expect(pairedDifference(base, tuned)).toMatchObject({ differs: "higher" });
    expect(
      pairedDifference(
        base,
        base.map((_, index) => base[(index + 1) % 50]!),
      ),
    ).toMatchObject({ differs: "cannot tell" });
    expect(() => pairedDifference([1], [])).toThrow(RangeError);
  });
  test("quantiles lie between neighbours", () => expect(quantile([0, 10], 0.25)).toBe(2.5));
});

describe("intervals of shares", () => {
  test("Wilson's own figures for 8 of 10", () => {
    const { low, high } = shareInterval(8, 10)!;
    expect(low).toBeCloseTo(0.4902, 4);
    expect(high).toBeCloseTo(0.9433, 4);
  });
  test("no successes still leave room above", () => {
    expect(shareInterval(0, 20)).toMatchObject({ mean: 0, low: 0 });
    expect(shareInterval(0, 20)!.high).toBeCloseTo(0.1611, 3);
    expect(shareInterval(0, 0)).toBeUndefined();
  });
});

describe("Bradley–Terry", () => {
  const games = (a: string, b: string, wins: number, of: number) =>
    Array.from({ length: of }, (_, index) => ({ a, b, score: index < wins ? 1 : 0 }));
  test("two variants: odds of 3 to 1 are 191 points, less the imagined tie", () => {
    const [first, second] = bradleyTerry(games("tuned", "base", 75, 100));
    expect(first!.name).toBe("tuned");
    // 75.5 to 25.5 of 101 points
    expect(first!.rating - second!.rating).toBeCloseTo((400 / Math.LN10) * Math.log(75.5 / 25.5), 3);
    expect(first!.winRate).toBe(0.75);
    expect(first!.low).toBeGreaterThan(0);
  });
  test("order of a, b does not matter, ties are half wins, a variant that never lost stays finite", () => {
    const mixed = [...games("x", "y", 3, 3), { a: "y", b: "x", score: 0 }, { a: "y", b: "z", score: 0.5 }];
    const strengths = bradleyTerry(mixed);
    expect(strengths.map(({ name }) => name)[0]).toBe("x");
    expect(strengths.every(({ rating }) => Number.isFinite(rating))).toBe(true);
    expect(strengths.reduce((sum, { rating }) => sum + rating, 0)).toBeCloseTo(0, 6);
  });
  test("no verdicts, no strengths", () => expect(bradleyTerry([])).toEqual([]));
});
