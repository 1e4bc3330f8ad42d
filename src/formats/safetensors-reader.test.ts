import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { RemoraError } from "../errors/remora-error.ts";
import { readTensorBytes } from "./file-bytes.ts";
import { readSafetensors } from "./safetensors-reader.ts";

const folder = mkdtempSync(join(tmpdir(), "remora-safetensors-"));
afterAll(() => rmSync(folder, { recursive: true }));

/** A file made by hand: `header` as JSON text or value, then `data`. */
function file(header: unknown, data: Uint8Array = new Uint8Array(0), lie?: bigint): string {
  const json = Buffer.isBuffer(header) ? header : Buffer.from(typeof header === "string" ? header : JSON.stringify(header));
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(lie ?? BigInt(json.length));
  const path = join(folder, "x.safetensors");
  writeFileSync(path, Buffer.concat([length, json, data]));
  return path;
}

/** Pads the header so that the data begins at a multiple of 8. */
const padded = (header: object): string => {
  const json = JSON.stringify(header);
  return json.padEnd(Math.ceil(json.length / 8) * 8);
};

const messageOf = (run: () => unknown): string => {
  try {
    run();
  } catch (error) {
    if (RemoraError.isInstance(error)) return error.message.replaceAll(folder, "");
    throw error;
  }
  throw new Error("nothing was thrown");
};
const refusal = (header: unknown, data?: Uint8Array, lie?: bigint): string => messageOf(() => readSafetensors(file(header, data, lie)));

describe("readSafetensors", () => {
  it("gives views into the file and reads none of the tensors", () => {
    const header = padded({
      __metadata__: { format: "pt" },
      b: { dtype: "F32", shape: [2, 1], data_offsets: [0, 8] },
      a: { dtype: "BF16", shape: [3], data_offsets: [8, 14] },
      none: { dtype: "U8", shape: [0, 7], data_offsets: [14, 14] },
    });
    const data = Uint8Array.from({ length: 14 }, (_, i) => i);
    const read = readSafetensors(file(header, data));
    expect(Object.fromEntries(read.metadata)).toEqual({ format: "pt" });
    const start = 8 + header.length;
    expect(read.tensors.get("b")).toEqual({ name: "b", dtype: "F32", shape: [2, 1], path: read.path, byteOffset: start, byteLength: 8 });
    expect(readTensorBytes(read.tensors.get("a")!)).toEqual(data.subarray(8));
    expect(read.tensors.get("none")!.byteLength).toBe(0);
  });

  it("accepts one value, no tensors, and a name like a prototype's", () => {
    expect(readSafetensors(file("{}")).tensors.size).toBe(0);
    const read = readSafetensors(file('{"__proto__":{"dtype":"U8","shape":[],"data_offsets":[0,1]}}', Uint8Array.of(9)));
    expect([...read.tensors.keys()]).toEqual(["__proto__"]);
  });

  const tensor = (fields: object) => padded({ w: { dtype: "F32", shape: [2, 2], data_offsets: [0, 16], ...fields } });
  const data = new Uint8Array(16);

  it("refuses files that are too short or lie about their header", () => {
    writeFileSync(join(folder, "short.safetensors"), "abc");
    expect(messageOf(() => readSafetensors(join(folder, "short.safetensors")))).toMatchInlineSnapshot(`
      "Reading safetensors /short.safetensors, byte 0: expected at least 8 bytes (the length of the header), found 3
        The file is damaged or incomplete: download or copy it again."
    `);
    expect(messageOf(() => readSafetensors(join(folder, "absent.safetensors")))).toMatchInlineSnapshot(`
      "Reading /absent.safetensors: there is no such file or folder
        Check the path."
    `);
    expect(messageOf(() => readSafetensors(folder))).toMatchInlineSnapshot(`
      "Reading : expected a file, found a folder
        Name the file inside it."
    `);
    expect(refusal("{}", data, 2n ** 63n)).toMatchInlineSnapshot(`
      "Reading safetensors /x.safetensors, byte 0: expected a header of at most 100000000 bytes, found 9223372036854775808
        This is not a safetensors file, or it is damaged."
    `);
    expect(refusal("{}", data, 10_000n)).toMatchInlineSnapshot(`
      "Reading safetensors /x.safetensors, byte 0: expected a header of 10000 bytes, found a file that ends 18 bytes after its length
        The file is damaged or incomplete: download or copy it again."
    `);
  });

  it("refuses headers that are not what the format says", () => {
    expect(refusal('{"a":')).toContain("the header at byte 8: expected JSON in UTF-8, found ");
    expect(refusal("[1, 2]")).toMatchInlineSnapshot(`
      "Reading safetensors /x.safetensors, the header at byte 8: expected a JSON object, found [1,2]
        The file is damaged or incomplete: download or copy it again."
    `);
    expect(refusal("[".repeat(100_000))).toMatchInlineSnapshot(`
      "Reading safetensors /x.safetensors, the header at byte 8: expected JSON in UTF-8, found more than 64 levels of brackets
        The file is damaged or incomplete: download or copy it again."
    `);
    expect(refusal('{"w":1,"\\u0077":2}')).toMatchInlineSnapshot(`
      "Reading safetensors /x.safetensors, the header at byte 8: expected JSON in UTF-8, found the key "w" twice
        The file is damaged or incomplete: download or copy it again."
    `);
    expect(refusal({ __metadata__: { format: 1 } })).toMatchInlineSnapshot(`
      "Reading safetensors /x.safetensors, __metadata__ "format": expected a string, found 1
        The file is damaged or incomplete: download or copy it again."
    `);
    expect(refusal({ w: null })).toMatchInlineSnapshot(`
      "Reading safetensors /x.safetensors, tensor "w": expected an object with dtype, shape and data_offsets, found null
        The file is damaged or incomplete: download or copy it again."
    `);
    expect(refusal(Buffer.from([0x7b, 0x22, 0xff, 0x22, 0x3a, 0x31, 0x7d]))).toContain(
      "the header at byte 8: expected JSON in UTF-8, found ",
    );
  });

  it("refuses tensors whose type, shape and bytes do not agree", () => {
    expect(refusal(tensor({ dtype: "Q4_K" }), data)).toMatchInlineSnapshot(`
      "Reading safetensors /x.safetensors, tensor "w": expected a dtype of F4, F6_E2M3, F6_E3M2, BOOL, U8, I8, F8_E5M2, F8_E4M3, F8_E8M0, F8_E4M3FNUZ, F8_E5M2FNUZ, I16, U16, F16, BF16, I32, U32, F32, C64, F64, I64, U64, found "Q4_K"
        The file was written by a newer version of the format; this version of remora does not know the type."
    `);
    expect(refusal(tensor({ shape: [2, -2] }), data)).toMatchInlineSnapshot(`
      "Reading safetensors /x.safetensors, tensor "w": expected a shape of at most 64 whole numbers, found [2,-2]
        The file is damaged or incomplete: download or copy it again."
    `);
    expect(refusal(tensor({ shape: [2, 1.5] }), data)).toMatchInlineSnapshot(`
      "Reading safetensors /x.safetensors, tensor "w": expected a shape of at most 64 whole numbers, found [2,1.5]
        The file is damaged or incomplete: download or copy it again."
    `);
    expect(refusal(tensor({ shape: new Array(100).fill(1) }), data)).toMatchInlineSnapshot(`
      "Reading safetensors /x.safetensors, tensor "w": expected a shape of at most 64 whole numbers, found an array of 100 values
        The file is damaged or incomplete: download or copy it again."
    `);
    expect(refusal(tensor({ shape: [3, 2] }), data)).toMatchInlineSnapshot(`
      "Reading safetensors /x.safetensors, tensor "w": expected 24 bytes for F32 [3, 2], found 16 (data_offsets [0, 16])
        The file is damaged or incomplete: download or copy it again."
    `);
    expect(refusal(tensor({ shape: [2 ** 40, 2 ** 40] }), data)).toMatchInlineSnapshot(`
      "Reading safetensors /x.safetensors, tensor "w": expected a size in whole bytes below 2^53, found F32 [1099511627776, 1099511627776]
        The file is damaged or incomplete: download or copy it again."
    `);
    expect(refusal(padded({ w: { dtype: "F4", shape: [3], data_offsets: [0, 1] } }), data)).toMatchInlineSnapshot(`
      "Reading safetensors /x.safetensors, tensor "w": expected a size in whole bytes below 2^53, found F4 [3]
        The file is damaged or incomplete: download or copy it again."
    `);
    expect(refusal(tensor({ data_offsets: [0, 17] }), data)).toMatchInlineSnapshot(`
      "Reading safetensors /x.safetensors, tensor "w": expected data_offsets within the 16 bytes of data, found [0, 17]
        The file is damaged or incomplete: download or copy it again."
    `);
    expect(refusal(tensor({ data_offsets: [16, 0] }), data)).toMatchInlineSnapshot(`
      "Reading safetensors /x.safetensors, tensor "w": expected data_offsets within the 16 bytes of data, found [16, 0]
        The file is damaged or incomplete: download or copy it again."
    `);
    expect(refusal(tensor({ data_offsets: "all" }), data)).toMatchInlineSnapshot(`
      "Reading safetensors /x.safetensors, tensor "w": expected data_offsets of two whole numbers, found "all"
        The file is damaged or incomplete: download or copy it again."
    `);
  });

  it("refuses tensors that overlap, leave gaps, are misaligned or stop short of the end", () => {
    const two = (second: [number, number]) =>
      padded({ a: { dtype: "F32", shape: [2], data_offsets: [0, 8] }, b: { dtype: "F32", shape: [2], data_offsets: second } });
    expect(refusal(two([4, 12]), data)).toMatchInlineSnapshot(`
      "Reading safetensors /x.safetensors, tensor "b": expected to begin at byte 128, found byte 124: it overlaps the tensor before it
        The file is damaged or incomplete: download or copy it again."
    `);
    expect(refusal(two([12, 20]), new Uint8Array(20))).toMatchInlineSnapshot(`
      "Reading safetensors /x.safetensors, tensor "b": expected to begin at byte 128, found byte 132: a gap before it
        The file is damaged or incomplete: download or copy it again."
    `);
    expect(refusal(two([8, 16]), new Uint8Array(20))).toMatchInlineSnapshot(`
      "Reading safetensors /x.safetensors, the end: expected 136 bytes in all, found 140
        The file is damaged or incomplete: download or copy it again."
    `);
    const crooked = padded({
      a: { dtype: "U8", shape: [2], data_offsets: [0, 2] },
      b: { dtype: "F32", shape: [2], data_offsets: [2, 10] },
    });
    expect(refusal(crooked, new Uint8Array(10))).toMatchInlineSnapshot(`
      "Reading safetensors /x.safetensors, tensor "b": expected an offset that is a multiple of 4, so that the file can be mapped, found byte 122
        Files written before 2023 can look like this: load and save it once with a current safetensors library."
    `);
  });
});
