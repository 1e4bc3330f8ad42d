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

  it("takes 5 to 128 rows, beside kept weights 64", () => {
    const { cuda } = runtime("H100");
    expect([4, 5, 128, 129].map((N) => takesRows(cuda, group(), N))).toEqual([false, true, true, false]);
    expect([64, 65].map((N) => takesRows(runtime("H100", true).cuda, group(), N))).toEqual([true, false]);
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
  it("takes 64 rows at a time, the rest in the smallest kernel", () => {
    expect(launchesOf("H100", 81)).toMatchInlineSnapshot(`
      [
        "linear_rows_nf4_rows64_slots3_bf16 grid 6 x 4096 xa 16384 y 8192 N 64 shared 219136",
        "linear_rows_nf4_rows32_slots4_bf16 grid 6 x 69632 xa 17408 y 46592 N 17 shared 204800",
      ]
    `);
    expect(launchesOf("H100", 8)).toMatchInlineSnapshot(`
      [
        "linear_rows_nf4_rows8_slots7_bf16 grid 6 x 4096 xa 16384 y 8192 N 8 shared 223232",
      ]
    `);
  });

  it("takes fewer rows and slots where there is less shared memory", () => {
    expect(launchesOf("A100", 37)).toMatchInlineSnapshot(`
      [
        "linear_rows_nf4_rows32_slots2_bf16 grid 6 x 4096 xa 16384 y 8192 N 32 shared 135168",
        "linear_rows_nf4_rows8_slots4_bf16 grid 6 x 36864 xa 16896 y 27392 N 5 shared 155648",
      ]
    `);
  });
});
