import { expect, it } from "vitest";
import type { ActivationDType, AttentionRule, Backend, PagedCacheOperand } from "./backend.ts";
import { ACTIVATION_DTYPES } from "./element-types.ts";
import { compareWithReference } from "./testing/compare-with-reference.ts";
import { describeOnEachDevice } from "./testing/describe-on-each-device.ts";
import { expectClose, TOLERANCE } from "./testing/expect-close.ts";
import { RandomData } from "./testing/random-data.ts";
import { TestArrays } from "./testing/test-arrays.ts";

describeOnEachDevice("paged attention", (device) => {
  it("writes keys and values into the slots that the block table names, and skips padding", async () => {
    // Page size 2, one key/value head of size 1, two sequences: sequence 1's position 3 lies in its second block, page 0, slot 1.
    const arrays = new TestArrays(device.backend());
    const cache: PagedCacheOperand = {
      keyPages: arrays.changed("keys", "f32", [3, 2, 1, 1], [0, 0, 0, 0, 0, 0]),
      valuePages: arrays.changed("values", "f32", [3, 2, 1, 1], [0, 0, 0, 0, 0, 0]),
      blockTable: arrays.input("i32", [2, 2], [1, -1, 2, 0]),
      sequences: arrays.input("i32", [3], [1, -1, 0]),
      positions: arrays.input("i32", [3], [3, 0, 0]),
      pageSize: 2,
    };
    arrays.reset();
    const qkv = arrays.input("f32", [3, 3], [9, 10, 11, 9, 20, 21, 9, 30, 31]);
    device.backend().cacheWrite({ heads: 1, keyValueHeads: 1, headDim: 1 }, qkv, cache);
    expect(Array.from(await arrays.read(cache.keyPages))).toEqual([0, 10, 30, 0, 0, 0]);
    expect(Array.from(await arrays.read(cache.valuePages))).toEqual([0, 11, 31, 0, 0, 0]);
    arrays.release();
  });

  it.each(ACTIVATION_DTYPES)("equals the reference: prompts and single tokens together, %s", async (dtype) => {
    for (const { heads, pageSize, window, softcap } of [
      { heads: [4, 2, 64], pageSize: 16, window: 0, softcap: 0 },
      { heads: [3, 1, 31], pageSize: 5, window: 7, softcap: 0 },
      { heads: [2, 1, 128], pageSize: 1, window: 0, softcap: 4 },
    ] as const) {
      await compareWithReference(device.backend(), (arrays) => pagedCase(arrays, dtype, heads, pageSize, window, softcap), {
        label: `heads=${heads} pageSize=${pageSize} window=${window} softcap=${softcap} ${dtype}`,
      });
    }
  });

  /** Sequence 0 has 40 tokens and adds one, sequence 1 adds a prompt of 23, sequence 2 adds one to 3; one row is padding. */
  function pagedCase(
    arrays: TestArrays,
    dtype: ActivationDType,
    heads: readonly [number, number, number],
    pageSize: number,
    window: number,
    softcap: number,
  ) {
    const [H, K, D] = heads;
    const random = new RandomData(D);
    const rows = [[0, 40], ...Array.from({ length: 23 }, (_, t) => [1, t]), [-1, 0], [2, 3]];
    const N = rows.length;
    const blocks = Math.ceil(41 / pageSize);
    const pages = 3 * blocks;
    // Pages in falling order, so that no sequence lies in one piece.
    const table = Float64Array.from({ length: pages }, (_, i) => pages - 1 - i);
    const size = pages * pageSize * K * D;
    const cache: PagedCacheOperand = {
      keyPages: arrays.changed("keys", dtype, [pages, pageSize, K, D], random.normals(size)),
      valuePages: arrays.changed("values", dtype, [pages, pageSize, K, D], random.normals(size)),
      blockTable: arrays.input("i32", [3, blocks], table),
      sequences: arrays.input(
        "i32",
        [N],
        rows.map((row) => row[0]!),
      ), // prettier-ignore
      positions: arrays.input(
        "i32",
        [N],
        rows.map((row) => row[1]!),
      ), // prettier-ignore
      pageSize,
    };
    const qkv = arrays.input(dtype, [N, (H + 2 * K) * D], random.normals(N * (H + 2 * K) * D));
    const out = arrays.output("out", dtype, [N, H * D]);
    const rule: AttentionRule = { heads: H, keyValueHeads: K, headDim: D, scale: 1 / Math.sqrt(D), causal: true, window, softcap };
    return () => {
      arrays.backend.cacheWrite(rule, qkv, cache);
      arrays.backend.attentionPaged(rule, qkv, cache, out);
    };
  }

  it.each(ACTIVATION_DTYPES)("answers token by token what packed attention answers at once, %s", async (dtype) => {
    const backend: Backend = device.backend();
    const [H, K, D, T] = [4, 2, 16, 21];
    const width = (H + 2 * K) * D;
    const arrays = new TestArrays(backend);
    const rule: AttentionRule = { heads: H, keyValueHeads: K, headDim: D, scale: 0.25, causal: true, window: 6, softcap: 0 };
    const qkv = arrays.input(dtype, [T, width], new RandomData(8).normals(T * width));
    const packed = arrays.output("packed", dtype, [T, H * D]);
    backend.attentionForward(
      rule,
      qkv,
      arrays.input("i32", [T], new Float64Array(T)),
      arrays.input("i32", [T], new Float64Array(T).fill(T)),
      packed,
      null,
    );
    const packedValues = await arrays.read(packed);
    const paged = arrays.output("paged", dtype, [T, H * D]);
    const [keyPages, valuePages] = ["keys", "values"].map((name) => arrays.output(name, dtype, [6, 4, K, D]));
    arrays.reset();
    const blockTable = arrays.input("i32", [1, 6], [5, 3, 1, 0, 2, 4]);
    const bytes = dtype === "f32" ? 4 : 2;
    for (let t = 0; t < T; t++) {
      const row = { ...qkv, byteOffset: t * width * bytes, shape: [1, width] };
      const [sequences, positions] = [arrays.input("i32", [1], [0]), arrays.input("i32", [1], [t])];
      const cache = { keyPages: keyPages!, valuePages: valuePages!, blockTable, sequences, positions, pageSize: 4 };
      backend.cacheWrite(rule, row, cache);
      backend.attentionPaged(rule, row, cache, { ...paged, byteOffset: t * H * D * bytes, shape: [1, H * D] });
    }
    expectClose(await arrays.read(paged), packedValues, { name: "paged", tolerance: TOLERANCE[dtype], shape: [T, H * D] });
    arrays.release();
  });
});
