import { expect, it } from "vitest";
import { fp8Support } from "./fp8-support.ts";

const card = (model: string, major: number, minor: number) => ({
  ordinal: 0,
  model,
  memoryBytes: 80e9,
  major,
  minor,
  multiprocessors: 132,
  sharedPerBlock: 232448,
});

it("says which card and which library have 8-bit products with a scale a row", () => {
  expect(fp8Support(card("NVIDIA H100", 9, 0), 120900)).toBe("native");
  expect(fp8Support(card("NVIDIA H200", 9, 0), 130000)).toBe("native");
  expect(fp8Support(card("NVIDIA L4", 8, 9), 130000)).toMatchInlineSnapshot(`
    {
      "missing": "NVIDIA L4 has compute capability 8.9; 8-bit products with a scale a row need 9.0 (Hopper). Use compute bf16.",
    }
  `);
  expect(fp8Support(card("NVIDIA B200", 10, 0), 130000)).toMatchObject({ missing: expect.stringContaining("10.0") });
  expect(fp8Support(card("NVIDIA H100", 9, 0), 120805)).toMatchInlineSnapshot(`
    {
      "missing": "cuBLASLt 12.8 has no scale a row for 8-bit products; 12.9 or later has. \`pip install nvidia-cublas\`, or use compute bf16.",
    }
  `);
});
