/** kernels.json is what the launcher packs parameters by: it must be what the sources say, in the checkout and beside the prebuilt images. */
import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { expect, it } from "vitest";

const ROOT = fileURLToPath(new URL("..", import.meta.url));
const hasCompiler = spawnSync(process.env.CXX ?? "g++", ["--version"]).status === 0;
const table = (...path: string[]) => readFileSync(join(ROOT, ...path, "kernels.json"), "utf8");

it.skipIf(!hasCompiler)("kernels.json agrees with the CUDA sources", () => {
  const { status, stderr } = spawnSync(process.execPath, ["scripts/cuda-signatures.mjs", "--check"], { cwd: ROOT, encoding: "utf8" });
  expect(stderr).toMatch(/agrees with the sources: \d+ kernels/);
  expect(status).toBe(0);
});

it("the prebuilt images ship the same table", () => {
  expect(table("prebuilds", "cuda")).toBe(table("kernels", "cuda"));
});
