import { expect, it } from "vitest";
import { CudaError } from "../../../errors/cuda-error.ts";
import type { LinearOperand, Operand } from "../../backend.ts";
import type { CudaRuntime } from "../cuda-runtime.ts";
import type { Product } from "../product.ts";
import { fp8Forward, roundedFor } from "./fp8-products.ts";
import type { LinearState, LinearStates } from "./linear-state.ts";

/** A runtime that writes down what is enqueued; its library adds E4M3 products to an output or refuses with `status`. */
function recorder(status?: string) {
  const enqueued: string[] = [];
  const runtime = {
    addsFp8: true,
    in: (operand: Operand) => operand.byteOffset,
    scratch: { take: (purpose: string) => ({ "E4M3 rows": 1000, "E4M3 row scales": 2000, "E4M3 products": 3000 })[purpose] },
    launch: (kernel: string) => enqueued.push(kernel),
    multiply: ({ a, b, c, M, N, K, dtype, outDType, beta, scales }: Product) => {
      if (beta === 1 && status) throw new CudaError("linearForward", status, "cuBLASLt refused");
      const sides = `${a.address}·${b.address} → ${c.address}/${c.ld}`;
      enqueued.push(`${dtype}>${outDType} ${M}x${N}x${K} ${sides} beta ${beta} scales ${scales?.a},${scales?.b}`);
    },
  };
  return { cuda: runtime as unknown as CudaRuntime, enqueued };
}

const at = (byteOffset: number) => ({ byteOffset }) as Operand;
const part = (rows: number, data: number, scales: number) => ({
  weight: { format: "e4m3", rows, cols: 64, data: at(data), scales: at(scales), path: "w" } as const,
});
const linear: LinearOperand = { parts: [part(32, 100, 200), part(16, 300, 400)], dropout: 0 };
const state = {
  sizes: { In: 64, outs: 48, ranks: 4, fp8: true, path: "w" },
  places: [
    { row: 0, rank: 0, rankStart: 0 },
    { row: 32, rank: 0, rankStart: 0 },
  ],
} as unknown as LinearState;
const rows = { N: 8, dtype: "bf16", input: 10, output: 5000 } as const;

it("rounds x once and multiplies each part into its columns, with the scales of rows and outputs", () => {
  const { cuda, enqueued } = recorder();
  fp8Forward(cuda, linear, state, { ...rows, beta: 1 });
  expect(enqueued).toEqual([
    "fp8_encode_four_warps_per_row_bf16",
    "e4m3>bf16 8x32x64 1000·100 → 5000/48 beta 1 scales 2000,200",
    "e4m3>bf16 8x16x64 1000·300 → 5064/48 beta 1 scales 2000,400",
  ]);
});

it("adds from f32 where the library refuses to add, and does not ask again", () => {
  const { cuda, enqueued } = recorder("CUBLAS_STATUS_NOT_SUPPORTED");
  fp8Forward(cuda, linear, state, { ...rows, beta: 1 });
  expect(enqueued).toEqual([
    "fp8_encode_four_warps_per_row_bf16",
    "e4m3>f32 8x32x64 1000·100 → 3000/32 beta 0 scales 2000,200",
    "copy_matrix_f32_to_bf16",
    "e4m3>f32 8x16x64 1000·300 → 3000/16 beta 0 scales 2000,400",
    "copy_matrix_f32_to_bf16",
  ]);
  expect(cuda.addsFp8).toBe(false);
});

it("passes on any other refusal", () => {
  const { cuda } = recorder("CUBLAS_STATUS_EXECUTION_FAILED");
  expect(() => fp8Forward(cuda, linear, state, { ...rows, beta: 1 })).toThrow(/EXECUTION_FAILED/);
  expect(cuda.addsFp8).toBe(true);
});

it("rounds nothing again that the op before rounded, and everything that an earlier op rounded", () => {
  const { cuda, enqueued } = recorder();
  const states = { of: () => state } as unknown as LinearStates;
  const wanted = { address: 10, N: 128, C: 64, dtype: "bf16", arrays: [16, 32] } as const;
  const kernels = () => enqueued.splice(0).filter((line) => !line.startsWith("e4m3"));
  cuda.opCount = 7;
  expect(roundedFor(cuda, states, linear, "forward", wanted)).toMatchObject({ codes: 1000, scales: 2000, exponents: 0 });
  cuda.opCount = 8;
  fp8Forward(cuda, linear, state, { ...rows, N: 128, beta: 0 });
  expect(kernels()).toEqual([]);
  for (const [opCount, N, input] of [
    [9, 128, 10],
    [8, 127, 10],
    [8, 128, 11],
  ] as const) {
    cuda.opCount = opCount;
    fp8Forward(cuda, linear, state, { ...rows, N, input, beta: 0 });
    expect(kernels()).toEqual(["fp8_encode_four_warps_per_row_bf16"]);
  }
});

it("rounds ahead for E4M3 linears of this width alone, and for aligned rows enough to fill a card", () => {
  const { cuda } = recorder();
  const states = { of: () => state } as unknown as LinearStates;
  const dense = { of: () => ({ ...state, sizes: { ...state.sizes, fp8: false } }) } as unknown as LinearStates;
  const wanted = { address: 10, N: 128, C: 64, dtype: "bf16", arrays: [16, 32] } as const;
  expect(roundedFor(cuda, states, undefined, "forward", wanted)).toBeUndefined();
  expect(roundedFor(cuda, dense, linear, "forward", wanted)).toBeUndefined();
  for (const other of [{ N: 127 }, { C: 48 }, { dtype: "f32" as const }, { arrays: [16, 8] }]) {
    expect(roundedFor(cuda, states, linear, "forward", { ...wanted, ...other })).toBeUndefined();
  }
});
