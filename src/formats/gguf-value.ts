/**
 * Metadata values of GGUF files. Number arrays become typed arrays; 64-bit numbers become `number` when that is exact, else `bigint`.
 */
import type { GgufCursor } from "./gguf-cursor.ts";

export type GgufArray =
  | string[]
  | boolean[]
  | GgufArray[]
  | Uint8Array
  | Int8Array
  | Uint16Array
  | Int16Array
  | Uint32Array
  | Int32Array
  | Float32Array
  | Float64Array
  | BigUint64Array
  | BigInt64Array;
export type GgufValue = number | bigint | boolean | string | GgufArray;

/** `tokenizer.huggingface.json` of a 262k-token vocabulary takes 33 MB and is the largest text there is. */
const MAX_STRING_BYTES = 2 ** 27;
/** All arrays of a file together. 262k tokens with scores, types and 514k merges are 1.3 million elements. */
export const MAX_ARRAY_ELEMENTS = 2 ** 24;
/** Nobody writes arrays of arrays of arrays; without a limit they could nest as deep as the file is long. */
const MAX_ARRAY_DEPTH = 3;

const STRING = 8;
const ARRAY = 9;
const BOOL = 7;

/** Numeric value types by their number in the file: how many bytes, and how bytes become values. */
const NUMBERS: Readonly<Record<number, { bytes: number; view: (buffer: ArrayBuffer) => Exclude<GgufArray, unknown[]> }>> = {
  0: { bytes: 1, view: (buffer) => new Uint8Array(buffer) },
  1: { bytes: 1, view: (buffer) => new Int8Array(buffer) },
  2: { bytes: 2, view: (buffer) => new Uint16Array(buffer) },
  3: { bytes: 2, view: (buffer) => new Int16Array(buffer) },
  4: { bytes: 4, view: (buffer) => new Uint32Array(buffer) },
  5: { bytes: 4, view: (buffer) => new Int32Array(buffer) },
  6: { bytes: 4, view: (buffer) => new Float32Array(buffer) },
  10: { bytes: 8, view: (buffer) => new BigUint64Array(buffer) },
  11: { bytes: 8, view: (buffer) => new BigInt64Array(buffer) },
  12: { bytes: 8, view: (buffer) => new Float64Array(buffer) },
};

/** How many array elements a file may still hold; shared by all values of one file. */
export interface ElementBudget {
  left: number;
}

/** One value, its type number first. @throws FileFormatError */
export function readGgufValue(cursor: GgufCursor, budget: ElementBudget): GgufValue {
  return readTyped(cursor, cursor.u32(), budget, 0);
}

function readTyped(cursor: GgufCursor, type: number, budget: ElementBudget, depth: number): GgufValue {
  if (type === STRING) return cursor.string(MAX_STRING_BYTES);
  if (type === BOOL) return readBool(cursor);
  if (type === ARRAY) return readArray(cursor, budget, depth + 1);
  const number = NUMBERS[type];
  if (!number) return cursor.fail("a value type from 0 to 12", `${type}`);
  const value = number.view(cursor.bytes(number.bytes).buffer)[0]!;
  return typeof value === "bigint" && Number.isSafeInteger(Number(value)) ? Number(value) : value;
}

function readArray(cursor: GgufCursor, budget: ElementBudget, depth: number): GgufArray {
  if (depth > MAX_ARRAY_DEPTH) cursor.fail(`arrays nested at most ${MAX_ARRAY_DEPTH} deep`, "deeper ones");
  const type = cursor.u32();
  const number = NUMBERS[type];
  // No element is smaller than this, so a count that passes cannot ask for more memory than the file is long.
  const smallest = type === STRING ? 8 : type === ARRAY ? 12 : (number?.bytes ?? 1);
  const count = cursor.count(
    "array elements in this file",
    Math.min(budget.left, Math.floor(Math.max(0, cursor.remaining - 8) / smallest)),
  );
  budget.left -= count;
  if (number) return number.view(cursor.bytes(count * number.bytes).buffer);
  if (type === STRING) return Array.from({ length: count }, () => cursor.string(MAX_STRING_BYTES));
  if (type === BOOL) return Array.from({ length: count }, () => readBool(cursor));
  if (type === ARRAY) return Array.from({ length: count }, () => readArray(cursor, budget, depth + 1));
  return cursor.fail("an array of a value type from 0 to 12", `${type}`);
}

function readBool(cursor: GgufCursor): boolean {
  const value = cursor.u8();
  if (value > 1) cursor.fail("a boolean (0 or 1)", `${value}`);
  return value === 1;
}
