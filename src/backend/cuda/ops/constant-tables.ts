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
 * and 1. Source: Dettmers et al. 2021, arXiv:2110.02861.
 */
export function dynamicMap(signed: boolean): Float32Array {
  const values = [0, 1];
  for (let i = 0; i < 7; i++) {
    const parts = signed ? 2 ** i : 2 ** (i + 1);
    for (let k = 0; k < parts; k++) {
      const low = 0.1 + (0.9 * k) / parts;
      const high = 0.1 + (0.9 * (k + 1)) / parts;
      const value = (10 ** (i - 6) * (low + high)) / 2;
      values.push(value);
      if (signed) values.push(-value);
    }
  }
  return Float32Array.from(values).sort();
}
