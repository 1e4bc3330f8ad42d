import { afterEach, describe, expect, it, vi } from "vitest";
import type { LinearOperand, Operand } from "../../backend.ts";
import type { CudaRuntime } from "../cuda-runtime.ts";
import { denseWeights } from "./dense-weights.ts";
import type { AdapterCopy, LinearState } from "./linear-state.ts";
import { mergesAdapters } from "./merged-weights.ts";

const at = (byteOffset: number) => ({ byteOffset }) as Operand;

function runtime({ major = 9, keepDecoded = false } = {}) {
  const launches: string[] = [];
  const cuda = {
    card: { major },
    options: { keepDecoded },
    in: (operand: Operand) => operand.byteOffset,
    scratch: { take: () => 65536 },
    launch: (kernel: string, grid: number | { x: number; y: number }, values: readonly number[]) =>
      launches.push(`${kernel} ${JSON.stringify(grid)} ${values.join()}`),
  };
  return { cuda: cuda as unknown as CudaRuntime, launches };
}

/** A group of parts [format, rows, rank] over 128 inputs. */
function group(parts: readonly (readonly ["nf4" | "q4_k" | "bf16", number, number])[], dropout = 0) {
  const linear = {
    dropout,
    parts: parts.map(([format, rows, rank], p) => ({
      weight: { format, rows, cols: 128, data: at(1000 * (p + 1)), scales: at(1000 * (p + 1) + 1), path: "w" },
      lora: rank > 0 ? { rank } : undefined,
    })),
  } as unknown as LinearOperand;
  let [outs, ranks] = [0, 0];
  const places = parts.map(([, rows, rank]) => {
    const place = { row: outs, rank, rankStart: ranks };
    outs += rows;
    ranks += rank;
    return place;
  });
  return { linear, state: { sizes: { In: 128, outs, ranks, fp8: false, path: "w" }, places } as unknown as LinearState };
}

describe("mergesAdapters", () => {
  afterEach(() => vi.unstubAllEnvs());
  const merges = (parts: Parameters<typeof group>[0], options: { major?: number; keepDecoded?: boolean; dropout?: number } = {}) => {
    const { linear, state } = group(parts, options.dropout);
    return mergesAdapters(runtime(options).cuda, linear, state, "bf16");
  };

  it("takes NF4 with an adapter, and leaves parts without one as they are", () => {
    expect(merges([["nf4", 32, 16]])).toBe(true);
    expect(
      merges([
        ["nf4", 32, 16],
        ["q4_k", 32, 0],
        ["bf16", 32, 0],
      ]),
    ).toBe(true); // prettier-ignore
  });

  it("leaves what the kernel cannot take, and what is not decoded for each use", () => {
    expect(merges([["nf4", 32, 0]])).toBe(false);
    expect(merges([["nf4", 32, 5]])).toBe(false);
    expect(
      merges([
        ["nf4", 32, 16],
        ["q4_k", 32, 16],
      ]),
    ).toBe(false); // prettier-ignore
    expect(merges([["nf4", 2 ** 25, 16]])).toBe(false);
    expect(merges([["nf4", 32, 16]], { dropout: 0.1 })).toBe(false);
    expect(merges([["nf4", 32, 16]], { keepDecoded: true })).toBe(false);
    expect(merges([["nf4", 32, 16]], { major: 7 })).toBe(false);
    const { linear, state } = group([["nf4", 32, 16]]);
    expect(mergesAdapters(runtime({ major: 7 }).cuda, linear, state, "f16")).toBe(true);
    expect(mergesAdapters(runtime().cuda, linear, state, "f32")).toBe(false);
  });

  it("can be switched off", () => {
    vi.stubEnv("REMORA_CUDA_LORA_MERGED", "0");
    expect(merges([["nf4", 32, 16]])).toBe(false);
  });
});

it("decodes each part of a group with its own block of A and B", () => {
  const { cuda, launches } = runtime();
  const { linear, state } = group([
    ["nf4", 200, 16],
    ["nf4", 64, 0],
    ["nf4", 40, 8],
  ]); // prettier-ignore
  const adapters = { a: { address: 10_000 }, b: { address: 20_000 } } as unknown as AdapterCopy;
  expect(denseWeights(cuda, linear, state, "bf16", adapters)).toEqual([{ address: 65536, row: 0, rows: 304 }]);
  expect(launches).toEqual([
    `nf4_decode_lora_bf16 {"x":1,"y":2} 1000,1001,10000,20000,65536,200,128,16,24`,
    `nf4_decode_flat_bf16 1 2000,2001,${65536 + 200 * 256},0,128,8192`,
    // A from rank 16 on, B from row 264 and rank 16 on.
    `nf4_decode_lora_bf16 {"x":1,"y":1} 3000,3001,${10_000 + 16 * 256},${20_000 + (264 * 24 + 16) * 2},${65536 + 264 * 256},40,128,8,24`,
  ]);
});
