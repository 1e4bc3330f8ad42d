import { afterEach, describe, expect, it, vi } from "vitest";
import type { LinearOperand } from "../../backend.ts";
import type { CudaRuntime } from "../cuda-runtime.ts";
import { linearRows, takesRows } from "./linear-rows.ts";

const SHARED = { H100: 232_448, A100: 166_912, "RTX 4090": 101_376 } as const;

function runtime(card: keyof typeof SHARED, keepDecoded = false) {
  const launches: string[] = [];
  const cuda = {
    card: { sharedPerBlock: SHARED[card], multiprocessors: 108 },
    options: { keepDecoded },
    optionalIn: () => 0,
    counters: () => 7,
    scratch: { take: (_purpose: string, bytes: number) => bytes },
    launch: (kernel: string, grid: number, values: readonly number[], shared: number) =>
      launches.push(`${kernel} grid ${grid} x ${values[3]} xa ${values[4]} y ${values[5]} N ${values[8]} shared ${shared}`),
  };
  return { cuda: cuda as unknown as CudaRuntime, launches };
}

/** q|k|v of Nemo 12B, or a part of other sizes. */
function group(
  parts: readonly (readonly [rows: number, cols: number])[] = [
    [4096, 5120],
    [1024, 5120],
    [1024, 5120],
  ],
) {
  return { parts: parts.map(([rows, cols]) => ({ weight: { rows, cols } })) } as unknown as LinearOperand;
} // prettier-ignore

function launchesOf(card: keyof typeof SHARED, N: number): string[] {
  const { cuda, launches } = runtime(card);
  linearRows(cuda, group([[300, 512]]), { N, dtype: "bf16", parts: 1, x: 4096, y: 8192, xa: 16_384, ranks: 4 });
  return launches;
}

describe("takesRows", () => {
  afterEach(() => vi.unstubAllEnvs());

  it("takes 5 to 64 rows, on an A100 32", () => {
    expect([4, 5, 64, 65].map((N) => takesRows(runtime("H100").cuda, group(), N))).toEqual([false, true, true, false]);
    expect([32, 33].map((N) => takesRows(runtime("A100").cuda, group(), N))).toEqual([true, false]);
  });

  it("leaves small cards, more than four parts and matrices beyond 32 bits alone", () => {
    expect(takesRows(runtime("RTX 4090").cuda, group(), 8)).toBe(false);
    const { cuda } = runtime("A100");
    expect(
      takesRows(
        cuda,
        group([
          [64, 64],
          [64, 64],
          [64, 64],
          [64, 64],
          [64, 64],
        ]),
        8,
      ),
    ).toBe(false); // prettier-ignore
    expect(takesRows(cuda, group([[2 ** 18, 2 ** 13]]), 8)).toBe(false);
  });

  it("can be turned off", () => {
    vi.stubEnv("REMORA_CUDA_ROWS", "0");
    expect(takesRows(runtime("H100").cuda, group(), 8)).toBe(false);
  });
});

describe("linearRows", () => {
  it("takes the smallest kernel that holds all rows", () => {
    expect([5, 9, 32, 33].map((N) => launchesOf("H100", N).join())).toMatchInlineSnapshot(`
      [
        "linear_rows_nf4_rows8_bf16 grid 6 x 4096 xa 16384 y 8192 N 5 shared 155648",
        "linear_rows_nf4_rows16_bf16 grid 6 x 4096 xa 16384 y 8192 N 9 shared 145408",
        "linear_rows_nf4_rows32_bf16 grid 6 x 4096 xa 16384 y 8192 N 32 shared 135168",
        "linear_rows_nf4_rows64_bf16 grid 10 x 4096 xa 16384 y 8192 N 33 shared 191488",
      ]
    `);
  });
});
