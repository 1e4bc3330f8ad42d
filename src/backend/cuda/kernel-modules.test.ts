import koffi from "koffi";
import { describe, expect, it } from "vitest";
import { parameterBuffer } from "./kernel-modules.ts";
import { packParameters, parameterLayout } from "./kernel-table.ts";

describe("parameterBuffer", () => {
  it("gives the address of every parameter, tensor maps aligned to 64", () => {
    const layout = parameterLayout(["tensormap", "ptr", "i32", "tensormap", "f32"]);
    const { view, addresses } = parameterBuffer(layout);
    const map = Uint8Array.from({ length: 128 }, (_, i) => i);
    packParameters(view, layout, [map, 0x7f12_3456_789a, -7, map, 0.5]);
    const words = [...new BigUint64Array(addresses.buffer)];
    expect(words.map((word) => Number(word - words[0]!))).toEqual(layout.offsets);
    expect([words[0]! % 64n, words[3]! % 64n]).toEqual([0n, 0n]);
    // Read back the way the driver does: through the addresses.
    expect(koffi.decode(words[1]!, "uint64")).toBe(0x7f12_3456_789a);
    expect(koffi.decode(words[2]!, "int32")).toBe(-7);
    expect([...koffi.decode(words[3]!, "uint8", 128)]).toEqual([...map]);
    expect(koffi.decode(words[4]!, "float")).toBe(0.5);
  });
});
