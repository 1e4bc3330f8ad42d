/**
 * A small canvas that becomes a PNG: lines and discs with soft edges, and a 5×7 pixel font of the letters that charts need.
 * PNG: https://www.w3.org/TR/png-3/ (8-bit RGB, no filter, one IDAT).
 */
import { deflateSync } from "node:zlib";

export type Colour = readonly [red: number, green: number, blue: number];

// biome-ignore format: a glyph is one unit
/** Rows from the top, five bits each, the leftmost highest. */
const GLYPHS: Readonly<Record<string, readonly number[]>> = {
  "0": [14, 17, 19, 21, 25, 17, 14], "1": [4, 12, 4, 4, 4, 4, 14], "2": [14, 17, 1, 2, 4, 8, 31], "3": [31, 2, 4, 2, 1, 17, 14],
  "4": [2, 6, 10, 18, 31, 2, 2], "5": [31, 16, 30, 1, 1, 17, 14], "6": [6, 8, 16, 30, 17, 17, 14], "7": [31, 1, 2, 4, 8, 8, 8],
  "8": [14, 17, 17, 14, 17, 17, 14], "9": [14, 17, 17, 15, 1, 2, 12], ".": [0, 0, 0, 0, 0, 12, 12], "-": [0, 0, 0, 31, 0, 0, 0],
  a: [0, 0, 14, 1, 15, 17, 15], d: [1, 1, 13, 19, 17, 17, 15], e: [0, 0, 14, 17, 31, 16, 14], g: [0, 15, 17, 17, 15, 1, 14],
  h: [16, 16, 22, 25, 17, 17, 17], i: [4, 0, 12, 4, 4, 4, 14], l: [12, 4, 4, 4, 4, 4, 14], n: [0, 0, 22, 25, 17, 17, 17],
  o: [0, 0, 14, 17, 17, 17, 14], p: [0, 0, 30, 17, 30, 16, 16], r: [0, 0, 22, 25, 16, 16, 16], s: [0, 0, 14, 16, 14, 1, 30],
  t: [8, 8, 28, 8, 8, 9, 6], u: [0, 0, 17, 17, 17, 19, 13],
};
const SCALE = 2;
const ADVANCE = 6 * SCALE;

export class Canvas {
  readonly #width: number;
  readonly #height: number;
  readonly #pixels: Uint8Array;

  constructor(width: number, height: number, background: Colour) {
    this.#width = width;
    this.#height = height;
    this.#pixels = new Uint8Array(width * height * 3);
    for (let i = 0; i < this.#pixels.length; i++) this.#pixels[i] = background[i % 3]!;
  }

  /** Coverage falls over one pixel at the edge. */
  line(x0: number, y0: number, x1: number, y1: number, thickness: number, colour: Colour): void {
    const reach = thickness / 2 + 1;
    const length = (x1 - x0) ** 2 + (y1 - y0) ** 2;
    this.#each(
      Math.min(x0, x1) - reach,
      Math.min(y0, y1) - reach,
      Math.max(x0, x1) + reach,
      Math.max(y0, y1) + reach,
      (x, y) => {
        const along = length === 0 ? 0 : Math.min(1, Math.max(0, ((x - x0) * (x1 - x0) + (y - y0) * (y1 - y0)) / length));
        const distance = Math.hypot(x - x0 - along * (x1 - x0), y - y0 - along * (y1 - y0));
        return thickness / 2 + 0.5 - distance;
      },
      colour,
    );
  }

  disc(x0: number, y0: number, radius: number, colour: Colour): void {
    this.#each(
      x0 - radius - 1,
      y0 - radius - 1,
      x0 + radius + 1,
      y0 + radius + 1,
      (x, y) => radius + 0.5 - Math.hypot(x - x0, y - y0),
      colour,
    );
  }

  /** Letters without a glyph leave a gap. */
  text(text: string, x: number, y: number, colour: Colour, align: "left" | "middle" | "right"): void {
    const width = text.length * ADVANCE - SCALE;
    const start = Math.round(align === "left" ? x : align === "right" ? x - width : x - width / 2);
    [...text].forEach((letter, index) => {
      (GLYPHS[letter] ?? []).forEach((bits, row) => {
        for (let column = 0; column < 5; column++) {
          if (!((bits >> (4 - column)) & 1)) continue;
          const [left, top] = [start + index * ADVANCE + column * SCALE, Math.round(y) + row * SCALE];
          this.#each(left, top, left + SCALE - 1, top + SCALE - 1, () => 1, colour);
        }
      });
    });
  }

  encode(): Uint8Array {
    const header = Buffer.alloc(13);
    header.writeUInt32BE(this.#width, 0);
    header.writeUInt32BE(this.#height, 4);
    header.set([8, 2, 0, 0, 0], 8);
    const rows = Buffer.alloc(this.#height * (this.#width * 3 + 1));
    for (let row = 0; row < this.#height; row++) {
      rows.set(this.#pixels.subarray(row * this.#width * 3, (row + 1) * this.#width * 3), row * (this.#width * 3 + 1) + 1);
    }
    const signature = Buffer.from([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a]);
    return Buffer.concat([
      signature,
      chunk("IHDR", header),
      chunk("IDAT", deflateSync(rows, { level: 9 })),
      chunk("IEND", Buffer.alloc(0)),
    ]);
  }

  #each(left: number, top: number, right: number, bottom: number, coverage: (x: number, y: number) => number, colour: Colour): void {
    for (let y = Math.max(0, Math.floor(top)); y <= Math.min(this.#height - 1, Math.ceil(bottom)); y++) {
      for (let x = Math.max(0, Math.floor(left)); x <= Math.min(this.#width - 1, Math.ceil(right)); x++) {
        const share = Math.min(1, coverage(x, y));
        if (share <= 0) continue;
        const at = (y * this.#width + x) * 3;
        for (let c = 0; c < 3; c++) this.#pixels[at + c] = Math.round(this.#pixels[at + c]! * (1 - share) + colour[c]! * share);
      }
    }
  }
}

function chunk(name: string, data: Buffer): Buffer {
  const body = Buffer.concat([Buffer.from(name, "latin1"), data]);
  const length = Buffer.alloc(4);
  length.writeUInt32BE(data.length);
  const check = Buffer.alloc(4);
  check.writeUInt32BE(crc32(body));
  return Buffer.concat([length, body, check]);
}

/** The check of PNG and zlib, bit by bit: Node has it only from 20.15 on, and chunks are small. */
function crc32(bytes: Uint8Array): number {
  let check = 0xffffffff;
  for (const byte of bytes) {
    check ^= byte;
    for (let bit = 0; bit < 8; bit++) check = (check >>> 1) ^ (check & 1 ? 0xedb88320 : 0);
  }
  return (check ^ 0xffffffff) >>> 0;
}
