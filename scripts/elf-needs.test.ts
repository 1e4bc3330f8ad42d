import { existsSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { describe, expect, test } from "vitest";
// @ts-expect-error: a plain script, as the one that uses it
import { compare, elfNeeds, newestGlibc } from "./elf-needs.mjs";

const prebuilt = (target: string) => fileURLToPath(new URL(`../prebuilds/${target}/libremora.so`, import.meta.url));

test.runIf(process.platform === "linux")("reads what a program of this machine asks for: node itself needs libc", () => {
  const { libraries, versions } = elfNeeds(process.execPath);
  expect(libraries).toContain("libc.so.6");
  expect(compare(newestGlibc(versions), [2, 2])).toBeGreaterThan(0);
});

test("versions are numbers, not text", () => {
  expect(newestGlibc(["GLIBC_2.9", "GLIBC_2.17", "GLIBC_2.2.5", "GLIBCXX_3.4"])).toEqual([2, 17]);
  expect(newestGlibc([])).toEqual([0, 0]);
});

test("another file is refused", () => {
  expect(() => elfNeeds(fileURLToPath(import.meta.url))).toThrow("not a 64-bit little-endian ELF file");
});

describe.each(["linux-x64", "linux-arm64"].filter((target) => existsSync(prebuilt(target))))("prebuilds/%s", (target) => {
  test("runs on glibc 2.17 and asks for no C++ library", () => {
    const { libraries, versions } = elfNeeds(prebuilt(target));
    expect(compare(newestGlibc(versions), [2, 17])).toBeLessThanOrEqual(0);
    expect(libraries.filter((name: string) => !/^(libc|libm|libpthread|ld-linux-[a-z0-9-]+)\.so\.\d+$/.test(name))).toEqual([]);
  });
});
