/**
 * Reads a GGUF header from front to back: little-endian numbers and length-prefixed strings, in windows, never past the end of the file.
 *
 * Windows keep memory small and system calls few: the vocabulary of a 262k-token model is a million strings in some 10 MB.
 */
import { FileFormatError } from "../errors/file-format-error.ts";
import type { FileBytes } from "./file-bytes.ts";

const WINDOW_BYTES = 1 << 20;

export class GgufCursor {
  readonly #file: FileBytes;
  #window: Buffer = Buffer.alloc(0);
  /** Offset of the window in the file, and of the next byte in the window. */
  #windowStart = 0;
  #next = 0;
  /** What is being read, for errors: `metadata "general.name"`. Set by the reader. */
  where = "the header";

  constructor(file: FileBytes) {
    this.#file = file;
  }

  get offset(): number {
    return this.#windowStart + this.#next;
  }

  get remaining(): number {
    return this.#file.byteLength - this.offset;
  }

  fail(expected: string, found: string, next?: string): never {
    throw new FileFormatError({
      format: "GGUF",
      path: this.#file.path,
      where: `${this.where} at byte ${this.offset}`,
      expected,
      found,
      next,
    });
  }

  u8(): number {
    const at = this.#take(1);
    return this.#window[at]!;
  }
  u32(): number {
    const at = this.#take(4);
    return this.#window.readUInt32LE(at);
  }

  /** A 64-bit number that counts something. @throws FileFormatError above `most`, so that nothing is allocated on a file's word alone */
  count(what: string, most: number): number {
    const at = this.#take(8);
    // Inexact above 2^53, but then too large all the same; several times faster than a bigint, and every string begins with one.
    const value = this.#window.readUInt32LE(at) + this.#window.readUInt32LE(at + 4) * 2 ** 32;
    if (value > most) this.fail(`at most ${most} ${what}`, `${this.#window.readBigUInt64LE(at)}`);
    return value;
  }

  string(most: number): string {
    const length = this.count("bytes of text", Math.min(most, Math.max(0, this.remaining - 8)));
    const at = this.#take(length);
    return this.#window.toString("utf8", at, at + length);
  }

  /** Bytes of their own memory, so that typed arrays can stand on them. */
  bytes(length: number): Uint8Array<ArrayBuffer> {
    if (length > WINDOW_BYTES) {
      if (length > this.remaining) this.fail(`${length} more bytes`, `${this.remaining}`);
      const direct = this.#file.read(this.offset, length);
      this.#windowStart = this.offset + length;
      this.#next = 0;
      this.#window = Buffer.alloc(0);
      return direct as Uint8Array<ArrayBuffer>;
    }
    const at = this.#take(length);
    return Uint8Array.from(this.#window.subarray(at, at + length));
  }

  /** Makes `length` bytes available in the window (which may become another one), steps over them, and returns where they begin in it. */
  #take(length: number): number {
    if (this.#next + length > this.#window.length) this.#refill(length);
    const at = this.#next;
    this.#next += length;
    return at;
  }

  #refill(length: number): void {
    const start = this.offset;
    const left = this.#file.byteLength - start;
    if (length > left) this.fail(`${length} more bytes`, `the end of the file after ${left}`);
    const bytes = this.#file.read(start, Math.min(left, Math.max(length, WINDOW_BYTES)));
    this.#window = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.#windowStart = start;
    this.#next = 0;
  }
}
