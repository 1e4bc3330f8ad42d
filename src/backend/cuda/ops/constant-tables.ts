/** Small tables in device memory that kernels read and the host makes once: bitsandbytes' dynamic maps of 8-bit state. */
import type { CudaMemory } from "../cuda-memory.ts";
import type { CudaRuntime } from "../cuda-runtime.ts";

export class ConstantTables {
  readonly #cuda: CudaRuntime;
  #maps: CudaMemory | undefined;

  constructor(cuda: CudaRuntime) {
    this.#cuda = cuda;
  }

  /** Addresses of the signed and the unsigned map, f32 [256] each, ascending. */
  dynamicMaps(): { signed: number; unsigned: number } {
    if (!this.#maps) {
      const bytes = new Uint8Array(Float32Array.from([...dynamicMap(true), ...dynamicMap(false)]).buffer);
      this.#maps = this.#cuda.memory.allocate(bytes.byteLength, "8-bit maps");
      this.#cuda.sendBytes(this.#maps.address!, bytes);
    }
    const address = this.#maps.address!;
    return { signed: address, unsigned: address + 1024 };
  }
}

/**
 * 256 levels, ascending: in decade 10^(i − 6), i = 0 … 6, the centres of 2^i (of either sign) or 2^(i+1) (unsigned) equal parts of [0.1, 1]; and 0
 * and 1. The same numbers as `quant/dynamic-map.ts`, which lies above this layer, and as bitsandbytes' to the bit: sums in f32, in its order.
 * Source: Dettmers et al. 2021, arXiv:2110.02861.
 */
export function dynamicMap(signed: boolean): Float32Array {
  const values = [0, 1];
  for (let i = 0; i < 7; i++) {
    const parts = signed ? 2 ** i : 2 ** (i + 1);
    const decade = Math.fround(10 ** (i - 6));
    for (let k = 0; k < parts; k++) {
      const centre = Math.fround(Math.fround(edge(k, parts) + edge(k + 1, parts)) / 2);
      const value = Math.fround(decade * centre);
      values.push(value);
      if (signed) values.push(-value);
    }
  }
  return Float32Array.from(values).sort();
}

/** Point k of `parts` equal parts of [0.1, 1] in f32, counted from the nearer end as PyTorch does. */
function edge(k: number, parts: number): number {
  const low = Math.fround(0.1);
  const step = Math.fround(Math.fround(1 - low) / parts);
  return Math.fround(k < (parts + 1) >> 1 ? low + step * k : 1 - step * (parts - k));
}
