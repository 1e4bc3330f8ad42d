import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";
import { kernelSourceStamp } from "../src/backend/cpu/find-library.ts";
// @ts-expect-error: a plain script, because it runs before anything is installed
import { kernelStamp } from "./kernel-stamp.mjs";

test("the install script and the loader agree on the stamp", () => {
  const root = fileURLToPath(new URL("..", import.meta.url));
  expect(kernelStamp(root)).toMatch(/^[0-9a-f]{64}$/);
  expect(kernelStamp(root)).toBe(kernelSourceStamp(root));
});
