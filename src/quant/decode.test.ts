import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { decodeWeights } from "./decode.ts";
import type { BlockFormat } from "./gguf-blocks.ts";
import { bf16ToF32, f16ToF32, f32ToBf16, f32ToF16 } from "./half-floats.ts";
import { WEIGHT_FORMATS } from "./weight-formats.ts";

const fixture = (name: string) => JSON.parse(readFileSync(new URL(`../../fixtures/data/quant/${name}.json`, import.meta.url), "utf8"));
const bytesOf = (base64: string): Uint8Array => Uint8Array.from(Buffer.from(base64, "base64"));
const floatsOf = (base64: string): Float32Array => new Float32Array(bytesOf(base64).buffer);
const wordsOf = (base64: string): Uint16Array => new Uint16Array(bytesOf(base64).buffer);

describe("decodeWeights", () => {
  const golden = fixture("gguf-blocks") as Record<BlockFormat, { bytes: string; values: string }>;
  it.each(Object.keys(golden) as BlockFormat[])("%s equals the Python gguf package on random blocks, every value", (format) => {
    const bytes = bytesOf(golden[format].bytes);
    const expected = floatsOf(golden[format].values);
    expect(bytes.length).toBe(6 * WEIGHT_FORMATS[format].blockBytes);
    expect(decodeWeights(format, bytes, expected.length)).toEqual(expected);
  });

  it("reads dense bytes that are not aligned", () => {
    const values = Float32Array.of(1, -2.5, 0.15625);
    const shifted = new Uint8Array(13);
    shifted.set(new Uint8Array(values.buffer), 1);
    expect(decodeWeights("f32", shifted.subarray(1), 3)).toEqual(values);
    expect(decodeWeights("bf16", new Uint8Array(f32ToBf16(values).buffer), 3)).toEqual(values);
    expect(decodeWeights("f16", new Uint8Array(f32ToF16(values).buffer), 3)).toEqual(values);
  });

  it("says what does not fit", () => {
    expect(() => decodeWeights("q4_k", new Uint8Array(144), 100)).toThrowErrorMatchingInlineSnapshot(
      `[ShapeError: Decoding q4_k: expected a multiple of 256 elements, found 100]`,
    );
    expect(() => decodeWeights("q8_0", new Uint8Array(33), 32)).toThrowErrorMatchingInlineSnapshot(
      `[ShapeError: Decoding 32 elements of q8_0: expected 34 bytes, found 33 bytes]`,
    );
  });
});

describe("half floats", () => {
  const golden = fixture("half-floats") as Record<"f32" | "f16" | "bf16", string>;
  const f32 = floatsOf(golden.f32);

  it("round as numpy and PyTorch do, ties, subnormals, overflow and signed zero included", () => {
    expect(f32ToF16(f32)).toEqual(wordsOf(golden.f16));
    expect(f32ToBf16(f32)).toEqual(wordsOf(golden.bf16));
  });

  it("survive the way back for all 65,536 values", () => {
    const all = Uint16Array.from({ length: 65536 }, (_, bits) => bits);
    const f16 = f32ToF16(f16ToF32(all));
    const bf16 = f32ToBf16(bf16ToF32(all));
    for (let bits = 0; bits < 65536; bits++) {
      const f16Nan = (bits & 0x7fff) > 0x7c00;
      const bf16Nan = (bits & 0x7fff) > 0x7f80;
      if (f16Nan ? (f16[bits]! & 0x7fff) <= 0x7c00 : f16[bits] !== bits) throw new Error(`f16 ${bits} came back as ${f16[bits]}`);
      if (bf16Nan ? (bf16[bits]! & 0x7fff) <= 0x7f80 : bf16[bits] !== bits) throw new Error(`bf16 ${bits} came back as ${bf16[bits]}`);
    }
  });
});
