import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { RemoraError } from "../errors/remora-error.ts";
import { readTensorBytes } from "./file-bytes.ts";
import { readGguf } from "./gguf-reader.ts";
import { f32Bytes, makeGguf, type TestGguf } from "./testing/make-gguf.ts";

const folder = mkdtempSync(join(tmpdir(), "remora-gguf-"));
afterAll(() => rmSync(folder, { recursive: true }));
const write = (bytes: Uint8Array): string => {
  const path = join(folder, "x.gguf");
  writeFileSync(path, bytes);
  return path;
};
const refusal = (file: TestGguf | Uint8Array): string => {
  try {
    readGguf(write(file instanceof Uint8Array ? file : makeGguf(file)));
  } catch (error) {
    if (RemoraError.isInstance(error)) return error.message.replaceAll(`${folder}/`, "");
    throw error;
  }
  throw new Error("nothing was thrown");
};

const good: TestGguf = {
  metadata: {
    "general.architecture": { text: "llama" },
    "llama.block_count": { u32: 2 },
    "llama.rope.freq_base": { f32: 1e6 },
    "tokenizer.ggml.add_bos_token": { bool: true },
    "tokenizer.ggml.tokens": { texts: ["<s>", "ます", ""] },
    "tokenizer.ggml.scores": { f32s: [0, -1.5, 2] },
    "tokenizer.ggml.token_type": { i32s: [3, 1, -1] },
  },
  tensors: [
    { name: "norm", shape: [3], data: f32Bytes([1, 2, 3]) },
    { name: "q", type: "Q4_K", shape: [2, 256] },
    { name: "odd", type: "IQ4_XS", shape: [1, 256] },
  ],
};

describe("readGguf", () => {
  it.each([2, 3])("reads metadata and tensor views of version %i", (version) => {
    const file = readGguf(write(makeGguf({ ...good, version })));
    expect(Object.fromEntries(file.metadata)).toEqual({
      "general.architecture": "llama",
      "llama.block_count": 2,
      "llama.rope.freq_base": 1e6,
      "tokenizer.ggml.add_bos_token": true,
      "tokenizer.ggml.tokens": ["<s>", "ます", ""],
      "tokenizer.ggml.scores": Float32Array.of(0, -1.5, 2),
      "tokenizer.ggml.token_type": Int32Array.of(3, 1, -1),
    });
    expect(readTensorBytes(file.tensors.get("norm")!)).toEqual(f32Bytes([1, 2, 3]));
    expect(file.tensors.get("q")).toMatchObject({ dtype: "Q4_K", shape: [2, 256], byteLength: 288 });
    expect(file.tensors.get("odd")!.byteLength).toBe(136);
  });

  it("reads values that are longer than a window, and whatever crosses its edge", () => {
    const texts = Array.from({ length: 60_000 }, (_, i) => `${i}`.repeat(1 + (i % 7)));
    const file = readGguf(
      write(
        makeGguf({ metadata: { long: { text: "あ".repeat(700_000) }, texts: { texts }, f32s: { f32s: new Array(300_001).fill(0.5) } } }),
      ),
    );
    expect(file.metadata.get("long")).toBe("あ".repeat(700_000));
    expect(file.metadata.get("texts")).toEqual(texts);
    expect((file.metadata.get("f32s") as Float32Array).every((value) => value === 0.5)).toBe(true);
  });

  it("refuses what is not GGUF", () => {
    expect(refusal(new Uint8Array(3))).toMatchInlineSnapshot(`
      "Reading GGUF x.gguf, the magic number at byte 0: expected a header of at least 24 bytes, found a file of 3
        The file is damaged or incomplete: download or copy it again."
    `);
    expect(refusal({ magic: "GGML" })).toMatchInlineSnapshot(`
      "Reading GGUF x.gguf, the magic number at byte 4: expected the letters "GGUF", found 0x4c4d4747
        This is not a GGUF file, or it is damaged."
    `);
    expect(refusal({ version: 1 })).toMatchInlineSnapshot(`
      "Reading GGUF x.gguf, the version at byte 8: expected version 2 or 3, found version 1, in use until August 2023
        Convert the model again with a current converter."
    `);
    expect(refusal({ version: 0x03000000 })).toMatchInlineSnapshot(`
      "Reading GGUF x.gguf, the version at byte 8: expected a little-endian file, found a big-endian one
        Use the little-endian file of the model."
    `);
    expect(refusal({ version: 9 })).toMatchInlineSnapshot(`
      "Reading GGUF x.gguf, the version at byte 8: expected version 2 or 3, found version 9
        The file is newer than this version of remora, or damaged."
    `);
  });

  it("refuses hostile counts before allocating anything", () => {
    expect(refusal({ tensorCount: 2n ** 63n })).toMatchInlineSnapshot(`
      "Reading GGUF x.gguf, the counts at byte 16: expected at most 131072 tensors, found 9223372036854775808
        The file is damaged or incomplete: download or copy it again."
    `);
    expect(refusal({ entryCount: 2n ** 32n })).toMatchInlineSnapshot(`
      "Reading GGUF x.gguf, the counts at byte 24: expected at most 65536 metadata entries, found 4294967296
        The file is damaged or incomplete: download or copy it again."
    `);
    expect(refusal({ entryCount: 5n })).toMatchInlineSnapshot(`
      "Reading GGUF x.gguf, metadata "" at byte 32: expected 4 more bytes, found the end of the file after 0
        The file is damaged or incomplete: download or copy it again."
    `);
    const bytes = makeGguf({ metadata: { key: { text: "value" } } });
    new DataView(bytes.buffer).setBigUint64(24 + 8 + 3 + 4, 2n ** 40n, true);
    expect(refusal(bytes)).toMatchInlineSnapshot(`
      "Reading GGUF x.gguf, metadata "key" at byte 47: expected at most 17 bytes of text, found 1099511627776
        The file is damaged or incomplete: download or copy it again."
    `);
    const array = makeGguf({ metadata: { key: { f32s: [1, 2] } } });
    new DataView(array.buffer).setBigUint64(24 + 8 + 3 + 4 + 4, 2n ** 62n, true);
    expect(refusal(array)).toMatchInlineSnapshot(`
      "Reading GGUF x.gguf, metadata "key" at byte 51: expected at most 3 array elements in this file, found 4611686018427387904
        The file is damaged or incomplete: download or copy it again."
    `);
    const type = makeGguf({ metadata: { key: { u32: 1 } } });
    type[24 + 8 + 3] = 99;
    expect(refusal(type)).toMatchInlineSnapshot(`
      "Reading GGUF x.gguf, metadata "key" at byte 39: expected a value type from 0 to 12, found 99
        The file is damaged or incomplete: download or copy it again."
    `);
  });

  it("refuses arrays that nest without end", () => {
    const nested = Buffer.alloc(12 * 1000);
    for (let i = 0; i < 1000; i++) {
      nested.writeUInt32LE(9, 12 * i);
      nested.writeBigUInt64LE(1n, 12 * i + 4);
    }
    const head = makeGguf({ entryCount: 1n, metadata: [] });
    expect(
      refusal(Uint8Array.from(Buffer.concat([head.subarray(0, 24), Buffer.from("\x01\0\0\0\0\0\0\0k\x09\0\0\0", "latin1"), nested]))),
    ).toMatchInlineSnapshot(`
      "Reading GGUF x.gguf, metadata "k" at byte 73: expected arrays nested at most 3 deep, found deeper ones
        The file is damaged or incomplete: download or copy it again."
    `);
  });

  it("refuses tensors that cannot be", () => {
    const tensor = (fields: object): TestGguf => ({ tensors: [{ name: "blk.0.attn_q.weight", shape: [4, 32], ...fields }] });
    expect(refusal(tensor({ typeId: 77 }))).toMatchInlineSnapshot(`
      "Reading GGUF x.gguf, tensor "blk.0.attn_q.weight" at byte 75: expected a tensor type that GGUF defines, found type number 77
        The file is newer than this version of remora, or damaged."
    `);
    expect(refusal(tensor({ type: "Q4_K", data: new Uint8Array(72) }))).toMatchInlineSnapshot(`
      "Reading GGUF x.gguf, tensor "blk.0.attn_q.weight" at byte 75: expected rows that are a multiple of 256 for Q4_K, found [4, 32]
        The file is damaged or incomplete: download or copy it again."
    `);
    expect(refusal(tensor({ shape: [] }))).toMatchInlineSnapshot(`
      "Reading GGUF x.gguf, tensor "blk.0.attn_q.weight" at byte 55: expected 1 to 4 dimensions, found 0
        The file is damaged or incomplete: download or copy it again."
    `);
    expect(refusal(tensor({ shape: [2 ** 50, 2 ** 50], data: new Uint8Array(0) }))).toMatchInlineSnapshot(`
      "Reading GGUF x.gguf, tensor "blk.0.attn_q.weight" at byte 75: expected fewer than 2^53 bytes, found F32 [1125899906842624, 1125899906842624]
        The file is damaged or incomplete: download or copy it again."
    `);
    expect(refusal(tensor({ offset: 8 }))).toMatchInlineSnapshot(`
      "Reading GGUF x.gguf, tensor "blk.0.attn_q.weight" at byte 83: expected an offset that is a multiple of 32, found 8
        The file is damaged or incomplete: download or copy it again."
    `);
    expect(refusal(tensor({ offset: 2 ** 40 }))).toMatchInlineSnapshot(`
      "Reading GGUF x.gguf, the place of tensor "blk.0.attn_q.weight", header ended at byte 83: expected 1099511628288 bytes of data, found 512: the file is cut short
        The file is damaged or incomplete: download or copy it again."
    `);
    expect(refusal(tensor({ data: new Uint8Array(480) }))).toMatchInlineSnapshot(`
      "Reading GGUF x.gguf, the place of tensor "blk.0.attn_q.weight", header ended at byte 83: expected 512 bytes of data, found 480: the file is cut short
        The file is damaged or incomplete: download or copy it again."
    `);
  });

  it("refuses tensors that overlap and names given twice", () => {
    const a = { name: "a", shape: [16] };
    expect(refusal({ tensors: [a, { name: "b", shape: [16], offset: 32 }] })).toMatchInlineSnapshot(`
      "Reading GGUF x.gguf, the place of tensor "b", header ended at byte 90: expected it to begin at byte 64 of the data or later, found byte 32: it overlaps another tensor
        The file is damaged or incomplete: download or copy it again."
    `);
    expect(refusal({ tensors: [a, a] })).toMatchInlineSnapshot(`
      "Reading GGUF x.gguf, tensor "a" at byte 90: expected every tensor once, found it again
        The file is damaged or incomplete: download or copy it again."
    `);
    expect(
      refusal({
        metadata: [
          ["k", { u32: 1 }],
          ["k", { u32: 2 }],
        ],
      }),
    ).toMatchInlineSnapshot(`
      "Reading GGUF x.gguf, metadata "k" at byte 50: expected every key once, found it again
        The file is damaged or incomplete: download or copy it again."
    `);
  });

  it.each([0, 48, 2 ** 30])("refuses an alignment of %i", (alignment) => {
    expect(refusal({ metadata: { "general.alignment": { u32: alignment } } })).toContain(`"general.alignment" at byte`);
  });
});
