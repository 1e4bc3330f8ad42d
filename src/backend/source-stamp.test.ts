import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { cpuSourceStamp, cudaSourceStamp } from "./source-stamp.mjs";

let root: string;
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), "remora-stamp-"));
});
afterEach(() => rmSync(root, { recursive: true }));

function write(path: string, text: string): void {
  mkdirSync(dirname(join(root, path)), { recursive: true });
  writeFileSync(join(root, path), text);
}

test("without sources there is no stamp", () => {
  expect([cpuSourceStamp(root), cudaSourceStamp(root)]).toEqual([null, null]);
});

test("names and contents count, whatever else lies beside them", () => {
  write("kernels/cpu/norm.cpp", "one");
  write("kernels/include/remora.h", "two");
  write("kernels/cuda/norm.cu", "one");
  const stamps = () => [cpuSourceStamp(root), cudaSourceStamp(root)];
  const before = stamps();
  expect(before).toEqual([expect.stringMatching(/^[0-9a-f]{64}$/), expect.stringMatching(/^[0-9a-f]{64}$/)]);
  write("kernels/cpu/README.md", "for people");
  write("kernels/cuda/kernels.json", "{}");
  expect(stamps()).toEqual(before);
  write("kernels/cpu/norm.cpp", "changed");
  expect(stamps()).toEqual([expect.not.stringMatching(before[0]!), before[1]]);
  write("kernels/cuda/common.cuh", "");
  expect(cudaSourceStamp(root)).not.toBe(before[1]);
});

test("stays the same digest: another one would make every prebuilt library stale", () => {
  write("kernels/cpu/norm.cpp", "one");
  write("kernels/cuda/norm.cu", "one");
  // printf 'kernels/cpu/norm.cpp\0one\0' | sha256sum
  expect(cpuSourceStamp(root)).toBe("51ab29fcfda96be9f56f8e3479d2087d6538868d3b70884e4c7233c1ef11ec49");
  // printf 'norm.cu\0one\0' | sha256sum
  expect(cudaSourceStamp(root)).toBe("bcf3f862bce8265c0fdf32fed4f719ce92832fc598c7f3e192dded361fa01798");
});
