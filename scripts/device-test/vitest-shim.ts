/**
 * The part of vitest that device tests use, in one file, so that a bundle of them runs on a machine that has Node and nothing else.
 * Tests run one after the other in the order they are written; a failure prints its message and the run goes on.
 */
import process from "node:process";
import { isDeepStrictEqual } from "node:util";

type Body = () => unknown;
type TestBody = (context: { readonly skip: typeof skip }) => unknown;
interface Suite {
  readonly name: string;
  readonly before: Body[];
  readonly after: Body[];
  readonly beforeEach: Body[];
  readonly afterEach: Body[];
  readonly items: (Suite | { readonly title: string; readonly body: TestBody })[];
}

const root = newSuite("");
let current = root;

function newSuite(name: string): Suite {
  return { name, before: [], after: [], beforeEach: [], afterEach: [], items: [] };
}

export function describe(name: string, body: Body): void {
  const [outer, suite] = [current, newSuite(name)];
  outer.items.push(suite);
  current = suite;
  body();
  current = outer;
}
describe.skip = (name: string, _body: Body): void => console.log(`- ${name}`);

export const beforeAll = (body: Body): unknown => current.before.push(body);
export const afterAll = (body: Body): unknown => current.after.push(body);
export const beforeEach = (body: Body): unknown => current.beforeEach.push(body);
export const afterEach = (body: Body): unknown => current.afterEach.push(body);

type Test = ((title: string, body: TestBody, timeout?: number) => void) & {
  each: <T>(cases: readonly T[]) => (title: string, body: (...values: never[]) => unknown) => void;
  runIf: (condition: boolean) => Test;
  skipIf: (condition: boolean) => Test;
  skip: Test;
};

function makeTest(runs: boolean): Test {
  const test = ((title: string, body: TestBody) => {
    if (runs) current.items.push({ title, body });
  }) as Test;
  test.each = (cases) => (title, body) => {
    for (const values of cases) {
      const list = (Array.isArray(values) ? values : [values]) as never[];
      let next = 0;
      test(
        title.replace(/%[sdijo]/g, () => String(list[next++])),
        () => body(...list),
      );
    }
  };
  test.runIf = (condition) => makeTest(runs && condition);
  test.skipIf = (condition) => makeTest(runs && !condition);
  Object.defineProperty(test, "skip", { get: () => makeTest(false) });
  return test;
}
export const it = makeTest(true);
export const test = it;

const stubbed = new Map<string, string | undefined>();
export const vi = {
  stubEnv: (name: string, value: string | undefined): void => {
    if (!stubbed.has(name)) stubbed.set(name, process.env[name]);
    if (value === undefined) delete process.env[name];
    else process.env[name] = value;
  },
  unstubAllEnvs: (): void => {
    for (const [name, value] of stubbed) {
      if (value === undefined) delete process.env[name];
      else process.env[name] = value;
    }
    stubbed.clear();
  },
};

function show(value: unknown): string {
  return typeof value === "bigint" ? `${value}n` : (JSON.stringify(value) ?? String(value)).slice(0, 400);
}

function matchers(actual: unknown, wanted: boolean) {
  const need = (passes: boolean, text: string) => {
    if (passes !== wanted) throw new Error(`expected ${show(actual)} ${wanted ? "" : "not "}${text}`);
  };
  const number = actual as number;
  return {
    toBe: (value: unknown) => need(Object.is(actual, value), `to be ${show(value)}`),
    toEqual: (value: unknown) => need(isDeepStrictEqual(actual, value), `to equal ${show(value)}`),
    toMatchObject: (value: unknown) => need(holds(actual, value), `to match ${show(value)}`),
    toBeCloseTo: (value: number, digits = 2) => need(Math.abs(number - value) < 10 ** -digits / 2, `to be close to ${value}`),
    toBeLessThan: (value: number) => need(number < value, `to be less than ${value}`),
    toBeLessThanOrEqual: (value: number) => need(number <= value, `to be at most ${value}`),
    toBeGreaterThan: (value: number) => need(number > value, `to be greater than ${value}`),
    toBeGreaterThanOrEqual: (value: number) => need(number >= value, `to be at least ${value}`),
    toBeDefined: () => need(actual !== undefined, "to be defined"),
    toBeUndefined: () => need(actual === undefined, "to be undefined"),
    toContain: (value: unknown) => need((actual as string | unknown[]).includes(value as never), `to contain ${show(value)}`),
    toHaveLength: (value: number) => need((actual as unknown[]).length === value, `to have length ${value}`),
    toMatch: (pattern: RegExp) => need(pattern.test(actual as string), `to match ${pattern}`),
    toThrow: (expected?: RegExp | string | (new (...args: never[]) => Error)) => {
      let thrown: unknown;
      try {
        (actual as Body)();
      } catch (error) {
        thrown = error;
      }
      need(fits(thrown, expected), `to throw ${expected ?? "something"}, got ${thrown}`);
    },
  };
}

/** Whether every field of `wanted`, at any depth, is that of `actual`. */
function holds(actual: unknown, wanted: unknown): boolean {
  if (typeof wanted !== "object" || wanted === null) return Object.is(actual, wanted);
  if (typeof actual !== "object" || actual === null) return false;
  if (Array.isArray(wanted) && wanted.length !== (actual as unknown[]).length) return false;
  return Object.entries(wanted).every(([key, value]) => holds((actual as Record<string, unknown>)[key], value));
}

function fits(thrown: unknown, expected: RegExp | string | (new (...args: never[]) => Error) | undefined): boolean {
  if (thrown === undefined || expected === undefined) return thrown !== undefined;
  if (typeof expected === "function") return thrown instanceof expected;
  const text = String((thrown as Error).message);
  return typeof expected === "string" ? text.includes(expected) : expected.test(text);
}

export function expect(actual: unknown, _message?: string) {
  const settle = async (asRejection: boolean): Promise<unknown> => {
    try {
      const value = await (typeof actual === "function" ? (actual as Body)() : actual);
      if (asRejection) throw new Error("expected a rejection");
      return value;
    } catch (error) {
      if (!asRejection) throw error;
      return () => {
        throw error;
      };
    }
  };
  return {
    ...matchers(actual, true),
    not: matchers(actual, false),
    rejects: { toThrow: async (expected?: RegExp) => matchers(await settle(true), true).toThrow(expected) },
    resolves: { toEqual: async (value: unknown) => matchers(await settle(false), true).toEqual(value) },
  };
}

class Skipped extends Error {}
function skip(note = "skipped"): never {
  throw new Skipped(note);
}

/** Runs everything that was described; `pattern` picks titles. Returns how many failed. */
export async function runAll(pattern?: RegExp): Promise<{ passed: number; failed: number }> {
  const result = { passed: 0, failed: 0 };
  await runSuite(root, "", [], [], pattern, result);
  return result;
}

async function runSuite(
  suite: Suite,
  path: string,
  outerBefore: readonly Body[],
  outerAfter: readonly Body[],
  pattern: RegExp | undefined,
  result: { passed: number; failed: number },
): Promise<void> {
  const name = [path, suite.name].filter(Boolean).join(" > ");
  const wanted = (item: Suite["items"][number]): boolean =>
    !pattern ||
    ("title" in item ? pattern.test(`${name} > ${item.title}`) : pattern.test(`${name} > ${item.name}`) || item.items.some(wanted));
  const items = suite.items.filter(wanted);
  if (items.length === 0) return;
  const [before, after] = [
    [...outerBefore, ...suite.beforeEach],
    [...suite.afterEach, ...outerAfter],
  ];
  try {
    for (const body of suite.before) await body();
  } catch (error) {
    result.failed += items.length;
    console.log(`FAILED ${name}: ${(error as Error).stack}`);
    return;
  }
  for (const item of items) {
    if ("items" in item) {
      await runSuite(item, name, before, after, pattern, result);
      continue;
    }
    const start = performance.now();
    try {
      for (const body of before) await body();
      await item.body({ skip });
      for (const body of after) await body();
      result.passed++;
      console.log(`ok ${name} > ${item.title} (${(performance.now() - start).toFixed(0)} ms)`);
    } catch (error) {
      if (error instanceof Skipped) {
        console.log(`- ${name} > ${item.title}: ${error.message}`);
        continue;
      }
      result.failed++;
      console.log(
        `FAILED ${name} > ${item.title}\n  ${String((error as Error).message)
          .split("\n")
          .join("\n  ")}\n  ${String((error as Error).stack)
          .split("\n")
          .slice(1, 4)
          .join("\n  ")}`,
      );
    }
  }
  for (const body of suite.after) await body();
}
