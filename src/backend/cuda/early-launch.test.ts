/** Kernels that may start before their predecessor has ended: which ones, and how the driver is told. */
import { readFileSync } from "node:fs";
import koffi from "koffi";
import { describe, expect, it } from "vitest";
import type { KernelTable } from "./kernel-table.ts";
import { LaunchConfig } from "./launch-config.ts";

const folder = new URL("../../../kernels/cuda/", import.meta.url);
const { kernels } = JSON.parse(readFileSync(new URL("kernels.json", folder), "utf8")) as KernelTable;

describe("early launches", () => {
  it("are of kernels whose source waits", () => {
    // kernels.json is written from the sources, kernel by kernel; this looks once more, file by file.
    for (const { name, image, early } of kernels) {
      const source = readFileSync(new URL(`${image}.cu`, folder), "utf8");
      if (early) expect([name, /(follow|wait_for)_previous_kernel\(\)/.test(source)]).toEqual([name, true]);
    }
    expect(kernels.find(({ name }) => name === "adamw_f32")?.early ?? false).toBe(false);
  });

  it("cover every kernel of a decode step", () => {
    const step = [
      /^embedding_forward_.*bf16_to_bf16$/,
      /^linear_vector_nf4_rows[124]_bf16$/,
      /^linear_rows_nf4_rows(8|16|32|64)_bf16$/,
      /^attention_step_d128_bf16$/,
      /^(rope_rotate|cache_write)_block_per_row_bf16$/,
      /^attention_paged_(lanes_d128|combine)_bf16$/,
      /^rms_norm_forward_block_per_row_bf16$/,
      /^(gather_rows_warp_per_row|convert_bf16_to_f32|split_rows_f32_to_bf16|linear_stream_dense_terms_bf16)$/,
      /^sample_(slices|histogram|choose)$/,
    ];
    for (const pattern of step) {
      const found = kernels.filter(({ name }) => pattern.test(name));
      expect(found.length).toBeGreaterThan(0);
      expect(found.filter(({ early }) => !early)).toEqual([]);
    }
  });

  it("are configured as cuda.h lays a CUlaunchConfig out", () => {
    const config = new LaunchConfig();
    const bytes = config.set("early", 3, 5, 7, 128, 4096, 0x7f12_3456_789an);
    const words = (offset: number, type: string, count: number) => [...koffi.decode(bytes, offset, type, count)];
    expect(words(0, "uint32", 7)).toEqual([3, 5, 7, 128, 1, 1, 4096]);
    expect(words(32, "uint64", 1).map(Number)).toEqual([0x7f12_3456_789a]);
    expect(words(48, "uint32", 1)).toEqual([1]);
    const attribute = koffi.decode(bytes, 40, "uint64") as number | bigint;
    expect(koffi.decode(BigInt(attribute), "int32")).toBe(6);
    expect(koffi.decode(BigInt(attribute) + 8n, "int32")).toBe(1);
    config.set("together", 3, 5, 7, 128, 4096, 0n);
    expect(koffi.decode(BigInt(attribute), "int32")).toBe(2);
  });
});
