/** What only the CUDA backend does: graphs, files streamed to the card, accounting, its own errors. Ops are tested with every other device. */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { it as anyTest, expect } from "vitest";
import type { Backend, Operand } from "../backend.ts";
import { describeOnEachDevice } from "../testing/describe-on-each-device.ts";
import { RandomData } from "../testing/random-data.ts";
import { randomWeight } from "../testing/random-weights.ts";
import { TestArrays } from "../testing/test-arrays.ts";
import type { CapturedStep } from "./captured-step.ts";

/** More than the kernels that read NF4 codes take (linear-rows.ts): these rows are multiplied by decoded weights. */
const DECODED_ROWS = 136;

describeOnEachDevice("CUDA backend", (device) => {
  const it = anyTest.runIf(device.name.startsWith("cuda"));
  const bytesOf = (values: Float32Array) => new Uint8Array(values.buffer);
  const step = (backend: Backend, x: Operand, y: Operand) => () => {
    backend.add(x, y, 2);
    backend.copy(y, x);
  };

  it("replays captured work as if it were run again", async () => {
    const backend = device.backend();
    const results: number[][] = [];
    for (const captured of [false, true]) {
      const arrays = new TestArrays(backend);
      const [x, y] = [arrays.input("f32", [3], [1, 2, 3]), arrays.input("f32", [3], [10, 20, 30])];
      const work = step(backend, x, y);
      if (captured) {
        const graph = backend.capture(work);
        for (let i = 0; i < 3; i++) graph.replay();
        graph.release();
      } else for (let i = 0; i < 4; i++) work();
      results.push(Array.from(await arrays.read(y)));
      arrays.release();
    }
    expect(results[0]).toEqual([324, 648, 972]);
    expect(results[1]).toEqual(results[0]);
  });

  it("reads what was uploaded between replays", async () => {
    const backend = device.backend();
    const arrays = new TestArrays(backend);
    const [x, y] = [arrays.input("f32", [1], [1]), arrays.input("f32", [1], [0])];
    const graph = backend.capture(() => backend.copy(x, y));
    for (const value of [5, 7, 9]) {
      backend.upload(x, bytesOf(Float32Array.of(value)));
      graph.replay();
      expect(Array.from(await arrays.read(y))).toEqual([value]);
    }
    graph.release();
    arrays.release();
  });

  for (const format of ["bf16", "nf4"] as const) {
    it(`brings an adapter's compute copy up to date in each replay, ${format}`, async () => {
      const backend = device.backend();
      const arrays = new TestArrays(backend);
      const [a, b] = [arrays.input("f32", [2, 64], new Array(128).fill(1)), arrays.input("f32", [1, 2], [0.25, 0.25])];
      // Zeros in both formats: code 7 is the level 0.
      const nf4 = { data: arrays.input("u8", [32], new Array(32).fill(0x77)), scales: arrays.input("f32", [1], [1]) };
      const weight =
        format === "nf4" ? { format, rows: 1, cols: 64, ...nf4, path: "test" } : arrays.weight("bf16", 1, 64, new Array(64).fill(0));
      const linear = { parts: [{ weight, lora: { a, b, rank: 2, scale: 1 } }], dropout: 0 };
      const x = arrays.input("bf16", [DECODED_ROWS, 64], new Array(DECODED_ROWS * 64).fill(1));
      const [y, xa] = [arrays.output("y", "bf16", [DECODED_ROWS, 1]), arrays.output("xa", "bf16", [DECODED_ROWS, 2])];
      const quarter = arrays.input("f32", [1, 2], [0.25, 0.25]);
      const graph = backend.capture(() => {
        backend.linearForward(linear, x, y, xa);
        backend.add(quarter, b, 1);
      });
      for (const expected of [64, 96, 128]) {
        graph.replay();
        expect((await arrays.read(y))[0]).toBe(expected);
      }
      backend.linearForward(linear, x, y, xa);
      expect((await arrays.read(y))[0]).toBe(160);
      graph.release();
      arrays.release();
    });
  }

  it("decodes an NF4 weight with an adapter whose B is zero to the bits that it has without", async () => {
    const backend = device.backend();
    const arrays = new TestArrays(backend);
    const random = new RandomData(5);
    const weight = randomWeight(arrays, "nf4-nested", 40, 128, random);
    const lora = {
      a: arrays.input("f32", [8, 128], random.normals(1024)),
      b: arrays.input("f32", [40, 8], new Array(320).fill(0)),
      rank: 8,
      scale: 2,
    };
    const N = DECODED_ROWS;
    const x = arrays.input("bf16", [N, 128], random.normals(N * 128));
    const [plain, adapted] = [arrays.output("y", "bf16", [N, 40]), arrays.output("adapted y", "bf16", [N, 40])];
    backend.linearForward({ parts: [{ weight }], dropout: 0 }, x, plain, null);
    backend.linearForward({ parts: [{ weight, lora }], dropout: 0 }, x, adapted, arrays.output("xa", "bf16", [N, 8]));
    expect(Array.from(await arrays.read(adapted))).toEqual(Array.from(await arrays.read(plain)));
    arrays.release();
  });

  it("decodes kept weights once, also where they share a block of memory with what the step writes", async () => {
    const backend = device.backend();
    const nodes: number[] = [];
    const N = DECODED_ROWS;
    backend.tune!({ keepDecoded: true, headRows: 0, deterministic: true });
    for (const shared of [false, true]) {
      const arrays = new TestArrays(backend);
      const scales = arrays.input("f32", [32], new Array(32).fill(0.5));
      const own = { output: arrays.output("y", "bf16", [N, 32]), data: arrays.input("u8", [32 * 32], new Array(1024).fill(0x9a)) };
      const block = arrays.input("u8", [N * 64 + 1024], new Array(N * 64 + 1024).fill(0x9a));
      const y = shared ? { ...block, dtype: "bf16" as const, shape: [N, 32] } : own.output;
      const data = shared ? { ...block, byteOffset: N * 64, shape: [1024] } : own.data;
      const weight = { format: "nf4" as const, rows: 32, cols: 64, data, scales, path: "test" };
      const linear = { parts: [{ weight }], dropout: 0 };
      const x = arrays.input("bf16", [N, 64], new Array(N * 64).fill(1));
      const graph = backend.capture(() => backend.linearForward(linear, x, y, null));
      graph.replay();
      nodes.push((graph as CapturedStep).nodeCount);
      graph.release();
      // 64 elements of levels 9 and 10 times ½: 0.160930 and 0.246112.
      expect((await arrays.read(y))[5]).toBeCloseTo(32 * 0.5 * (0.16093 + 0.246112), 1);
      arrays.release();
    }
    backend.tune!({ keepDecoded: false, headRows: 0, deterministic: true });
    expect(nodes[1]).toBe(nodes[0]);
  });

  it("refuses an upload inside captured work, and goes on", () => {
    const backend = device.backend();
    const arrays = new TestArrays(backend);
    const x = arrays.input("f32", [1], [1]);
    const graph = backend.capture(() => backend.upload(x, bytesOf(Float32Array.of(2))));
    expect(() => graph.replay()).toThrow(/Running upload: uploads to "input" while a step is captured/);
    backend.add(x, x, 1);
    graph.release();
    arrays.release();
  });

  it("streams part of a file", async () => {
    const backend = device.backend();
    const folder = mkdtempSync(join(tmpdir(), "remora-stream-"));
    const path = join(folder, "weights.bin");
    const bytes = Uint8Array.from({ length: 50_000 }, (_, i) => (i * 7) % 251);
    writeFileSync(path, bytes);
    const memory = backend.loadFile(path, 123, 40_001, "weights");
    const found = await backend.download({ memory, byteOffset: 0, dtype: "u8", shape: [40_001] });
    expect(Buffer.from(found).equals(bytes.subarray(123, 40_124))).toBe(true);
    backend.release(memory);
    expect(() => backend.loadFile(path, 40_000, 20_000, "weights")).toThrow(/bytes 40000 … 60000.*50000/s);
    rmSync(folder, { recursive: true });
  });

  it("counts bytes and their peak, and says what it cannot give", () => {
    const backend = device.backend();
    const before = backend.allocatedBytes;
    backend.resetPeak();
    const memory = backend.allocate(5_000_000, "a test");
    expect(backend.allocatedBytes - before).toBe(5_000_000);
    backend.release(memory);
    expect(backend.allocatedBytes).toBe(before);
    expect(backend.peakBytes - before).toBe(5_000_000);
    const tooMuch = 2 ** 45;
    expect(() => backend.allocate(tooMuch, "too much")).toThrow(/Allocating "too much": needs 35184\.4 GB; cuda:0 has [\d.]+ [GM]B free/);
    expect(() => backend.release(memory)).toThrow(/"a test" was already released/);
    expect(() => backend.zero({ memory, byteOffset: 0, dtype: "u8", shape: [1] })).toThrow(/was used after it was released/);
  });

  it("copies and gathers in the host's memory, also in captured work", async () => {
    const backend = device.backend();
    const arrays = new TestArrays(backend);
    const before = backend.allocatedBytes;
    const memory = backend.allocateHost!(1024, "a table");
    expect(backend.allocatedBytes).toBe(before);
    const table: Operand = { memory, byteOffset: 0, dtype: "f32", shape: [8, 32] };
    const values = Array.from({ length: 256 }, (_, i) => i);
    const [x, ids] = [arrays.input("f32", [8, 32], values), arrays.input("i32", [2], [5, 2])];
    const [y, back] = [arrays.output("y", "f32", [2, 32]), arrays.output("back", "f32", [8, 32])];
    const weight = { format: "f32", rows: 8, cols: 32, data: table, path: "table" } as const;
    const graph = backend.capture(() => {
      backend.add(x, x, 1);
      backend.copy(x, table);
      backend.embeddingForward(weight, ids, y, 1);
      backend.copy(table, back);
    });
    graph.replay();
    expect(Array.from(await arrays.read(y))).toEqual([...values.slice(160, 192), ...values.slice(64, 96)].map((value) => 4 * value));
    expect(Array.from(await arrays.read(back))).toEqual(values.map((value) => 4 * value));
    graph.release();
    backend.release(memory);
    expect(() => backend.copy(table, back)).toThrow(/"a table" was used after it was released/);
    arrays.release();
  });

  it("multiplies f32 rows by a large bf16 weight as exactly as f32 allows", async () => {
    const backend = device.backend();
    const arrays = new TestArrays(backend);
    const [rows, columns, outs] = [2, 256, 2 ** 16];
    const random = (count: number, seed: number) => Float64Array.from({ length: count }, (_, i) => Math.sin(i * 12.9898 + seed) * 1.7);
    const [xs, ws] = [random(rows * columns, 1).map(Math.fround), random(columns * 7, 2)];
    const weights = new Float64Array(outs * columns);
    for (let i = 0; i < weights.length; i++) weights[i] = Math.round(ws[i % ws.length]! * 64) / 64; // exact in bf16
    const weight = arrays.weight("bf16", outs, columns, weights);
    const x = arrays.input("f32", [rows, columns], xs);
    const y = arrays.output("y", "f32", [rows, outs]);
    backend.linearForward({ parts: [{ weight }], dropout: 0 }, x, y, null);
    const found = await arrays.read(y);
    let worst = 0;
    for (let r = 0; r < rows; r++) {
      for (let o = 0; o < 40; o++) {
        let [want, size] = [0, 0];
        for (let c = 0; c < columns; c++) {
          const term = xs[r * columns + c]! * weights[o * columns + c]!;
          want += term;
          size += Math.abs(term);
        }
        worst = Math.max(worst, Math.abs(found[r * outs + o]! - want) / size);
      }
    }
    expect(worst).toBeLessThan(4e-6); // bf16 rows alone would give 1e-3
    arrays.release();
  });

  it("moves more bytes than its staging holds, both ways", async () => {
    const backend = device.backend();
    const count = 10_000_000;
    const memory = backend.allocate(count * 4, "large");
    const operand: Operand = { memory, byteOffset: 0, dtype: "f32", shape: [count] };
    const values = Float32Array.from({ length: count }, (_, i) => i % 9973);
    backend.upload(operand, bytesOf(values));
    const back = await backend.download(operand);
    expect(Buffer.from(back).equals(Buffer.from(values.buffer))).toBe(true);
    backend.release(memory);
  });
});
