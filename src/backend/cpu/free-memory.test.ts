import { expect, it } from "vitest";
import { freeMemory, usableMemory } from "./free-memory.ts";

const machine = { total: 64e9, available: 50e9, limit: 0, underLimit: 0, statistics: null };

it("is what the machine has available when there is no limit", () => {
  expect(freeMemory(machine)).toBe(50e9);
  expect(freeMemory({ ...machine, limit: 1.8e19 })).toBe(50e9);
  expect(usableMemory(machine)).toBe(64e9);
});

it("counts cached files of a container as free", () => {
  const container = {
    ...machine,
    limit: 16e9,
    underLimit: 3e9,
    statistics: "anon 1000000000\ninactive_file 11000000000\nactive_file 1000000000\n",
  };
  expect(freeMemory(container)).toBe(15e9);
  expect(freeMemory({ ...container, statistics: null })).toBe(3e9);
  expect(freeMemory({ ...container, available: 2e9 })).toBe(2e9);
  expect(usableMemory(container)).toBe(16e9);
});

it("reads this machine", () => {
  expect(freeMemory()).toBeGreaterThan(0);
  expect(freeMemory()).toBeLessThanOrEqual(usableMemory());
});
