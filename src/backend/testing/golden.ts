/** Reads a case of fixtures/data/ops, made by fixtures/make/ops.py with PyTorch, Transformers and bitsandbytes. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import type { DType, Operand } from "../backend.ts";
import { packageRoot } from "../cpu/find-library.ts";
import { decode } from "./number-codec.ts";
import type { TestArrays } from "./test-arrays.ts";

interface GoldenFile {
  attributes: Record<string, unknown>;
  tensors: Record<string, { dtype: DType; shape: number[]; data: string }>;
}

export class Golden {
  readonly #file: GoldenFile;

  constructor(name: string) {
    const path = join(packageRoot(), "fixtures", "data", "ops", `${name}.json`);
    this.#file = JSON.parse(readFileSync(path, "utf8")) as GoldenFile;
  }

  attribute(name: string): number {
    return this.#file.attributes[name] as number;
  }

  has(name: string): boolean {
    return name in this.#file.tensors;
  }

  shape(name: string): number[] {
    return this.#tensor(name).shape;
  }

  values(name: string): Float64Array {
    const { dtype, data } = this.#tensor(name);
    return decode(dtype, aligned(data));
  }

  /** The tensor as an input, in its own dtype. */
  input(arrays: TestArrays, name: string): Operand {
    const { dtype, shape, data } = this.#tensor(name);
    return arrays.inputBytes(dtype, shape, aligned(data));
  }

  #tensor(name: string) {
    const tensor = this.#file.tensors[name];
    if (!tensor) throw new Error(`the golden file has no tensor "${name}"`);
    return tensor;
  }
}

/** Bytes at the start of a buffer of their own: typed arrays need alignment. */
export function aligned(base64: string): Uint8Array {
  return Uint8Array.from(Buffer.from(base64, "base64"));
}
