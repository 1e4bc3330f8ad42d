/**
 * Which rows are held out: decided by a hash of what a row says, so the choice survives reordering and appended rows, and two equal rows
 * never end up on both sides.
 */
import { createHash } from "node:crypto";

/** 48 bits of a row's content, exact in a double. */
export function contentHash(value: unknown): number {
  const text = typeof value === "string" ? value : JSON.stringify(value, (_, each) => (typeof each === "bigint" ? String(each) : each));
  return createHash("sha1").update(text).digest().readUIntBE(0, 6);
}

const RANGE = 2 ** 48;

export interface HeldOut {
  /** Share of the rows, above 0 and below 1. */
  fraction?: number;
  /** Number of rows; wins over `fraction`. */
  count?: number;
}

export interface Split {
  training: Int32Array;
  heldOut: Int32Array;
}

/** Splits the indexes 0 … hashes.length − 1. With `count`, equal rows at the border may add a few. The seed turns another set of rows up. */
export function splitByHash(hashes: ArrayLike<number>, heldOut: HeldOut | undefined, seed: number): Split {
  const mixed = Float64Array.from(hashes, (hash) => mix(hash, seed));
  let limit = 0;
  if (heldOut?.count !== undefined) {
    const count = Math.min(heldOut.count, mixed.length);
    limit = count === 0 ? 0 : mixed.slice().sort()[count - 1]! + 1;
  } else if (heldOut?.fraction !== undefined) limit = heldOut.fraction * RANGE;
  const training: number[] = [];
  const held: number[] = [];
  mixed.forEach((hash, index) => {
    (hash < limit ? held : training).push(index);
  });
  return { training: Int32Array.from(training), heldOut: Int32Array.from(held) };
}

/** Another order of the hashes for each seed; seed 0 too is mixed, as sha1's first bits need no help but cost nothing. */
function mix(hash: number, seed: number): number {
  const high = Math.floor(hash / 2 ** 24);
  const low = hash % 2 ** 24;
  const a = (Math.imul(high ^ seed, 0x9e3779b1) ^ Math.imul(low, 0x85ebca6b)) >>> 0;
  const b = (Math.imul(low ^ (seed >>> 8), 0xc2b2ae35) ^ Math.imul(high, 0x27d4eb2f)) >>> 0;
  return (((a ^ (a >>> 13)) & 0xffffff) >>> 0) * 2 ** 24 + (((b ^ (b >>> 11)) & 0xffffff) >>> 0);
}
