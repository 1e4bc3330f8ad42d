import { readFileSync } from "node:fs";
import { expect, it } from "vitest";
import { dynamicMap } from "./constant-tables.ts";

it("makes bitsandbytes' dynamic maps to the bit", () => {
  const golden = JSON.parse(readFileSync(new URL("../../../../fixtures/data/quant/nf4.json", import.meta.url), "utf8"));
  const floats = (base64: string) => new Float32Array(Uint8Array.from(Buffer.from(base64, "base64")).buffer);
  expect(dynamicMap(true)).toEqual(floats(golden.signed));
  expect(dynamicMap(false)).toEqual(floats(golden.unsigned));
});
