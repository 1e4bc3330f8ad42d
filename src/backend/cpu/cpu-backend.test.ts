import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { CancelledError } from "../../errors/cancelled-error.ts";
import { KernelError } from "../../errors/kernel-error.ts";
import { OutOfMemoryError } from "../../errors/out-of-memory-error.ts";
import type { DType, LinearOperand, Operand } from "../backend.ts";
import type { CpuBackend } from "./cpu-backend.ts";
import { formatOpTimes } from "./native-context.ts";
import { availableCpuIsas, openCpuBackend, openReferenceBackend } from "./open-cpu.ts";

let cpu: CpuBackend;
beforeEach(() => {
  cpu = openReferenceBackend();
});
afterEach(() => cpu.dispose());

const SIZES = { f32: 4, bf16: 2, f16: 2, i32: 4, u8: 1, u64: 8 };

function make(dtype: DType, shape: readonly number[], label = "array"): Operand {
  const bytes = shape.reduce((product, size) => product * size, SIZES[dtype]);
  return { memory: cpu.allocate(bytes, label), byteOffset: 0, dtype, shape };
}

describe("memory", () => {
  it("counts what is allocated and remembers the peak", () => {
    const [a, b] = [cpu.allocate(100, "a"), cpu.allocate(28, "b")];
    cpu.release(a);
    expect([cpu.allocatedBytes, cpu.peakBytes]).toEqual([28, 128]);
    cpu.resetPeak();
    expect(cpu.peakBytes).toBe(28);
    cpu.release(b);
    expect(cpu.allocatedBytes).toBe(0);
  });

  it("uploads and downloads windows", async () => {
    const whole = make("f32", [4]);
    cpu.upload(whole, new Uint8Array(new Float32Array([1, 2, 3, 4]).buffer));
    const bytes = await cpu.download({ ...whole, byteOffset: 8, shape: [2] });
    expect(Array.from(new Float32Array(bytes.buffer))).toEqual([3, 4]);
    expect(() => cpu.upload(whole, new Uint8Array(3))).toThrowErrorMatchingInlineSnapshot(
      `[ShapeError: upload to "array": expected 16 bytes, found 3]`,
    );
  });

  it("names what was used after it was released, released twice, or read beyond its end", () => {
    const a = make("f32", [2], "layer 3 hidden");
    cpu.release(a.memory);
    expect(() => cpu.zero(a)).toThrowErrorMatchingInlineSnapshot(`
      [ReleasedMemoryError: zero: "layer 3 hidden" was used after it was released
        This is a bug in the code that holds it: keep the memory (or its scope) alive until the last op that reads it.]
    `);
    expect(() => cpu.release(a.memory)).toThrow('release: "layer 3 hidden" was already released');
    const short = { ...make("f32", [2], "short"), shape: [3] };
    expect(() => cpu.zero(short)).toThrowErrorMatchingInlineSnapshot(
      `[ShapeError: zero: "short": expected a window inside its 8 bytes, found bytes 0 … 12]`,
    );
    const other = openReferenceBackend();
    expect(() => cpu.release(other.allocate(8, "theirs"))).toThrow('"theirs" belongs to another backend');
    other.dispose();
  });

  it("refuses what does not fit", () => {
    const bytes = 1e15;
    expect(() => cpu.allocate(bytes, "logits")).toThrow(OutOfMemoryError);
    expect(() => cpu.allocate(bytes, "logits")).toThrow(
      /^Allocating "logits": needs 1000000\.0 GB; reference has \d+\.\d GB free\n {2}Make the batch/,
    );
    expect(cpu.allocatedBytes).toBe(0);
  });

  it("maps a file once for all its arrays, read-only, until the last is released", async () => {
    const folder = mkdtempSync(join(tmpdir(), "remora-map-"));
    const path = join(folder, "weights.bin");
    writeFileSync(
      path,
      Uint8Array.from({ length: 5000 }, (_, i) => i % 251),
    );
    const [a, b] = [cpu.loadFile(path, 3, 4, "a"), cpu.loadFile(path, 4096, 100, "b")];
    expect([cpu.mappedBytes, cpu.allocatedBytes]).toEqual([5000, 0]);
    expect(Array.from(await cpu.download({ memory: a, byteOffset: 0, dtype: "u8", shape: [4] }))).toEqual([3, 4, 5, 6]);
    expect(() => cpu.zero({ memory: a, byteOffset: 0, dtype: "u8", shape: [4] })).toThrow('"a" is a mapped file and cannot be written');
    expect(() => cpu.loadFile(path, 4990, 20, "tail")).toThrow(
      /Loading "tail" from .*: expected bytes 4990 … 5010, found a file of 5000 bytes/,
    );
    cpu.release(a);
    expect(cpu.mappedBytes).toBe(5000);
    cpu.release(b);
    expect(cpu.mappedBytes).toBe(0);
    rmSync(folder, { recursive: true });
  });

  it("dispose releases everything, and later use says so", () => {
    const backend = openReferenceBackend();
    const memory = backend.allocate(8, "left over");
    backend.dispose();
    backend.dispose();
    expect(backend.allocatedBytes).toBe(0);
    expect(() =>
      backend.sum({ memory, byteOffset: 0, dtype: "f32", shape: [2] }, { memory, byteOffset: 0, dtype: "f32", shape: [1] }),
    ).toThrow('sum: "reference" was used after it was disposed');
  });
});

describe("checks", () => {
  it("names the op, the operand and both shapes", () => {
    const [x, weight, y] = [make("f32", [2, 8]), make("f32", [7]), make("f32", [2, 8])];
    expect(() => cpu.rmsNormForward(x, null, weight, null, y, null, 1e-5)).toThrowErrorMatchingInlineSnapshot(
      `[ShapeError: rmsNormForward: weight: expected 8 elements, found [7]]`,
    );
    expect(() => cpu.gatedForward(make("f32", [2, 8]), y, "silu")).toThrowErrorMatchingInlineSnapshot(
      `[ShapeError: gatedForward: y: expected [2, 4], found [2, 8]]`,
    );
    expect(() => cpu.add(make("bf16", [16]), make("f32", [16]), 1)).toThrowErrorMatchingInlineSnapshot(
      `[DTypeError: add: y: expected bf16, found f32]`,
    );
    expect(() => cpu.sum(make("i32", [2]), make("f32", [1]))).toThrowErrorMatchingInlineSnapshot(
      `[DTypeError: sum: x: expected f32, found i32]`,
    );
  });

  it("names the parameter of a weight", () => {
    const path = "model.layers.0.mlp.down_proj";
    const dense: LinearOperand = {
      parts: [{ weight: { format: "bf16", rows: 3, cols: 8, data: make("bf16", [3, 7]), path } }],
      dropout: 0,
    };
    const [x, y] = [make("f32", [2, 8]), make("f32", [2, 3])];
    expect(() => cpu.linearForward(dense, x, y, null)).toThrowErrorMatchingInlineSnapshot(
      `[ShapeError: linear model.layers.0.mlp.down_proj: data: expected [3, 8], found [3, 7]]`,
    );
    const nf4: LinearOperand = { parts: [{ weight: { format: "nf4", rows: 3, cols: 96, data: make("u8", [144]), path } }], dropout: 0 };
    expect(() => cpu.linearForward(nf4, x, y, null)).toThrowErrorMatchingInlineSnapshot(`
      [ShapeError: linear model.layers.0.mlp.down_proj: expected nf4 rows of a multiple of 64, found [3, 96]
        Keep this matrix in bf16 or f16.]
    `);
    const good: LinearOperand = {
      parts: [{ weight: { format: "f32", rows: 3, cols: 8, data: make("f32", [3, 8], "W"), path } }],
      dropout: 0,
    };
    expect(() => cpu.linearForward(good, make("f32", [2, 9]), y, null)).toThrow(`linearForward ${path}: x: expected [2, 8], found [2, 9]`);
    cpu.linearForward(good, x, y, null);
    cpu.release(good.parts[0]!.weight.data.memory);
    expect(() => cpu.linearForward(good, x, y, null)).toThrow('linearForward: "W" was used after it was released');
  });

  it("turns a kernel's refusal into an error with its own text", () => {
    const table = { format: "f32" as const, rows: 2, cols: 1, data: make("f32", [2, 1]), path: "embed" };
    const ids = make("i32", [1]);
    cpu.upload(ids, new Uint8Array(new Int32Array([5]).buffer));
    let error: unknown;
    try {
      cpu.embeddingForward(table, ids, make("f32", [1, 1]), 1);
    } catch (caught) {
      error = caught;
    }
    expect(error).toBeInstanceOf(KernelError);
    expect((error as KernelError).message).toMatchInlineSnapshot(
      `"Running embeddingForward: embedding_forward: row 0 has id 5, the table has 2 rows (status ARGUMENT)"`,
    );
  });
});

describe("running", () => {
  it("stops before the next op when the flag is set, but still moves bytes", async () => {
    const cancelFlag = new Int32Array(new SharedArrayBuffer(4));
    const backend = openCpuBackend({ isa: "reference", cancelFlag });
    const x: Operand = { memory: backend.allocate(8, "x"), byteOffset: 0, dtype: "f32", shape: [2] };
    backend.zero(x);
    Atomics.store(cancelFlag, 0, 1);
    expect(() => backend.zero(x)).toThrow(CancelledError);
    expect(() => backend.zero(x)).toThrow("Running zero: stopped on request");
    expect(await backend.download(x)).toEqual(new Uint8Array(8));
    backend.dispose();
  });

  it("adds up time by op when asked", () => {
    const backend = openCpuBackend({ isa: "reference", profile: true });
    const x: Operand = { memory: backend.allocate(8, "x"), byteOffset: 0, dtype: "f32", shape: [2] };
    backend.zero(x);
    backend.zero(x);
    backend.add(x, x, 1);
    expect([...backend.opTimes!].map(([op, { calls }]) => [op, calls])).toEqual([
      ["zero", 2],
      ["add", 1],
    ]);
    expect(
      formatOpTimes(
        new Map([
          ["linearForward", { calls: 4, ms: 30 }],
          ["add", { calls: 1, ms: 10 }],
        ]),
      ),
    ).toMatchInlineSnapshot(`
      "linearForward                  30.0 ms  75.0%         4 calls     7500.0 µs each
      add                            10.0 ms  25.0%         1 call     10000.0 µs each"
    `);
    backend.dispose();
    expect(cpu.opTimes).toBeNull();
  });

  it("replays captured work by running it again", () => {
    let runs = 0;
    const work = cpu.capture(() => runs++);
    work.replay();
    work.release();
    expect(runs).toBe(2);
  });

  it("describes itself and knows what the machine has", () => {
    expect(cpu.device).toMatchObject({ kind: "reference", name: "reference", architecture: "reference" });
    const fast = openCpuBackend({ threads: 2 });
    expect(fast.device).toMatchObject({ kind: "cpu", name: "cpu", threads: 2 });
    expect(fast.device.freeMemoryBytes).toBeLessThanOrEqual(fast.device.memoryBytes);
    expect(availableCpuIsas()).toEqual(expect.arrayContaining(["reference", "scalar"]));
    fast.dispose();
  });

  it("says which kernels there are when the wanted ones do not run here", () => {
    const foreign = process.arch === "arm64" ? "avx2" : "neon";
    expect(() => openCpuBackend({ isa: foreign })).toThrow(
      /^Opening device "cpu": the kernels "\w+" do not run on this machine; it has reference, scalar/,
    );
  });
});
