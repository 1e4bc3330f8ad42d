import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { crc32c, TensorBoardWriter } from "./tensorboard.ts";

test("CRC-32C of the check string", () => {
  expect(crc32c(Buffer.from("123456789"))).toBe(0xe3069283);
});

test("records carry their length, step, tag and value", () => {
  const folder = mkdtempSync(join(tmpdir(), "remora-tensorboard-"));
  try {
    const writer = new TensorBoardWriter(folder, 1700000000);
    writer.scalars(1700000001.5, 300, { loss: 1.25 });
    const bytes = readFileSync(join(folder, readdirSync(folder)[0]!));
    const first = Number(bytes.readBigUInt64LE(0));
    expect(bytes.subarray(12, 12 + first).toString("latin1")).toContain("brain.Event:2");
    const record = bytes.subarray(12 + first + 4);
    const data = record.subarray(12, 12 + Number(record.readBigUInt64LE(0)));
    expect(data.readDoubleLE(1)).toBe(1700000001.5);
    expect([...data.subarray(9, 12)]).toEqual([0x10, 0xac, 0x02]); // step 300 as a varint
    expect(data.toString("latin1")).toContain("loss");
    expect(data.readFloatLE(data.length - 4)).toBe(1.25);
    expect(record.length).toBe(12 + data.length + 4);
  } finally {
    rmSync(folder, { recursive: true });
  }
});
