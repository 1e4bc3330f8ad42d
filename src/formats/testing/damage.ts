/**
 * Deterministic damage for the readers' fuzz tests: flipped bytes, cut and grown files, and numbers replaced by the ones that break readers.
 */

/** A small counter-based generator (splitmix32): the same seed gives the same run on every machine. */
export function createRandom(seed: number): (below: number) => number {
  let state = seed >>> 0;
  return (below) => {
    state = (state + 0x9e3779b9) >>> 0;
    let mixed = state ^ (state >>> 16);
    mixed = Math.imul(mixed, 0x21f0aaad);
    mixed ^= mixed >>> 15;
    mixed = Math.imul(mixed, 0x735a2d97);
    mixed ^= mixed >>> 15;
    return (mixed >>> 0) % below;
  };
}

const HOSTILE_NUMBERS = [0n, 1n, 7n, 255n, 2n ** 31n, 2n ** 32n - 1n, 2n ** 32n, 2n ** 53n, 2n ** 63n, 2n ** 64n - 1n];
const HOSTILE_TEXT = ["-1", "1e308", "9007199254740993", "null", "[]", "{}", '"', "\\u0000", "[[[[[[[[", '"__proto__":'];

/** One damaged copy of `original`; damage falls within the first `headerBytes` most of the time. */
export function damage(original: Uint8Array, headerBytes: number, random: (below: number) => number): Uint8Array {
  let bytes = Uint8Array.from(original);
  const rounds = 1 + random(3);
  for (let i = 0; i < rounds; i++) {
    const at = random(Math.max(1, random(8) === 0 ? bytes.length : Math.min(headerBytes, bytes.length)));
    const kind = random(6);
    if (kind === 0) bytes = bytes.slice(0, at);
    else if (kind === 1) bytes = Uint8Array.from(Buffer.concat([bytes, Buffer.alloc(1 + random(64), random(256))]));
    else if (kind === 2 && at + 8 <= bytes.length)
      new DataView(bytes.buffer).setBigUint64(at, HOSTILE_NUMBERS[random(HOSTILE_NUMBERS.length)]!, true);
    else if (kind === 3) bytes.set(Buffer.from(HOSTILE_TEXT[random(HOSTILE_TEXT.length)]!).subarray(0, bytes.length - at), at);
    else if (at < bytes.length) bytes[at] = kind === 4 ? random(256) : bytes[at]! ^ (1 << random(8));
  }
  return bytes;
}
