import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { createDynamicMap } from "./dynamic-map.ts";
import { decodeNf4, decodeNf4Scales, NF4_TABLE } from "./nf4.ts";

const golden = JSON.parse(readFileSync(new URL("../../fixtures/data/quant/nf4.json", import.meta.url), "utf8"));
const bytesOf = (base64: string): Uint8Array => Uint8Array.from(Buffer.from(base64, "base64"));
const floatsOf = (base64: string): Float32Array => new Float32Array(bytesOf(base64).buffer);

describe("bitsandbytes' tables", () => {
  it("has the 16 NF4 values", () => expect(NF4_TABLE).toEqual(floatsOf(golden.table)));
  it("makes the signed dynamic map to the bit", () => expect(createDynamicMap(true)).toEqual(floatsOf(golden.signed)));
  it("makes the unsigned dynamic map to the bit", () => expect(createDynamicMap(false)).toEqual(floatsOf(golden.unsigned)));
});

describe("decodeNf4", () => {
  const { rows, cols, codes, scales, nestedScales, nestedCode, offset, values } = golden.nf4;
  const absmax = decodeNf4Scales(bytesOf(scales), { nestedScales: floatsOf(nestedScales), nestedCode: floatsOf(nestedCode), offset });

  it("equals bitsandbytes' dequantize with double quantization, every value", () => {
    expect(decodeNf4(bytesOf(codes), absmax, rows * cols)).toEqual(floatsOf(values));
  });

  it("reads an odd count", () => {
    expect(decodeNf4(Uint8Array.of(0x0f, 0x70), Float32Array.of(2), 3)).toEqual(Float32Array.of(-2, 2, 0));
  });

  it("says which array is too short", () => {
    expect(() => decodeNf4(new Uint8Array(31), new Float32Array(1), 64)).toThrowErrorMatchingInlineSnapshot(
      `[ShapeError: Decoding NF4 codes: expected [32], found [31]]`,
    );
    expect(() => decodeNf4(new Uint8Array(64), new Float32Array(1), 128)).toThrowErrorMatchingInlineSnapshot(
      `[ShapeError: Decoding NF4 scales: expected [2], found [1]]`,
    );
  });
});
