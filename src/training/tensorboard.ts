/**
 * TensorBoard event files: scalars by step, readable by TensorBoard and everything that reads its logs.
 *
 * A file is a run of TFRecords: u64 length, masked CRC-32C of those eight bytes, the bytes of a protobuf `Event`, their masked CRC-32C.
 * Event: 1 wall_time double, 2 step int64, 3 file_version string, 5 summary; Summary: repeated 1 value; Value: 1 tag string,
 * 2 simple_value float. Source: tensorflow/core/util/event.proto and lib/io/record_writer (format only).
 */
import { appendFileSync } from "node:fs";
import { join } from "node:path";
import { makeFolder } from "../formats/make-folder.ts";

export class TensorBoardWriter {
  readonly #path: string;

  /** @param seconds wall clock, for the file's name and first record */
  constructor(folder: string, seconds: number) {
    makeFolder(folder, "Writing");
    this.#path = join(folder, `events.out.tfevents.${Math.floor(seconds)}.remora`);
    this.#append(event(seconds, 0, stringField(3, "brain.Event:2")));
  }

  /** Appends scalars of one step. */
  scalars(seconds: number, step: number, values: Readonly<Record<string, number>>): void {
    const summary = Object.entries(values).map(([tag, value]) => bytesField(1, Buffer.concat([stringField(1, tag), floatField(2, value)])));
    this.#append(event(seconds, step, bytesField(5, Buffer.concat(summary))));
  }

  #append(data: Buffer): void {
    const length = Buffer.alloc(8);
    length.writeBigUInt64LE(BigInt(data.length));
    appendFileSync(this.#path, Buffer.concat([length, maskedCrc(length), data, maskedCrc(data)]));
  }
}

function event(seconds: number, step: number, payload: Buffer): Buffer {
  const time = Buffer.alloc(9);
  time[0] = (1 << 3) | 1;
  time.writeDoubleLE(seconds, 1);
  return Buffer.concat([time, Buffer.from([2 << 3]), varint(step), payload]);
}

function varint(value: number): Buffer {
  const bytes: number[] = [];
  let rest = BigInt(value);
  while (rest >= 0x80n) {
    bytes.push(Number(rest & 0x7fn) | 0x80);
    rest >>= 7n;
  }
  bytes.push(Number(rest));
  return Buffer.from(bytes);
}

function bytesField(field: number, value: Buffer): Buffer {
  return Buffer.concat([Buffer.from([(field << 3) | 2]), varint(value.length), value]);
}

function stringField(field: number, value: string): Buffer {
  return bytesField(field, Buffer.from(value, "utf8"));
}

function floatField(field: number, value: number): Buffer {
  const bytes = Buffer.alloc(5);
  bytes[0] = (field << 3) | 5;
  bytes.writeFloatLE(value, 1);
  return bytes;
}

const CRC_TABLE = Uint32Array.from({ length: 256 }, (_, index) => {
  let crc = index;
  for (let bit = 0; bit < 8; bit++) crc = crc & 1 ? (crc >>> 1) ^ 0x82f63b78 : crc >>> 1;
  return crc >>> 0;
});

/** CRC-32C, polynomial 0x1EDC6F41 reflected. */
export function crc32c(data: Uint8Array): number {
  let crc = 0xffffffff;
  for (const byte of data) crc = CRC_TABLE[(crc ^ byte) & 0xff]! ^ (crc >>> 8);
  return (crc ^ 0xffffffff) >>> 0;
}

/** TFRecord's masking: rotate right by 15 and add a constant, so that a CRC stored in data is not its own CRC. */
function maskedCrc(data: Uint8Array): Buffer {
  const crc = crc32c(data);
  const masked = (((crc >>> 15) | (crc << 17)) + 0xa282ead8) >>> 0;
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32LE(masked);
  return bytes;
}
