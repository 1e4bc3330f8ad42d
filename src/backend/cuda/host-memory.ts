/**
 * Pinned memory of the host that kernels read and write over the bus: an embedding whose rows are gathered, inputs of layers that wait for
 * backward. With unified addressing its address is the same on both sides. It counts for nothing on the card.
 */
import { OutOfMemoryError } from "../../errors/out-of-memory-error.ts";
import { ReleasedMemoryError } from "../../errors/released-memory-error.ts";
import type { DeviceMemory } from "../backend.ts";
import { CudaMemory, cudaMemory } from "./cuda-memory.ts";
import type { Driver } from "./driver.ts";

const CUDA_ERROR_OUT_OF_MEMORY = 2;
/** CU_MEMHOSTALLOC_PORTABLE | CU_MEMHOSTALLOC_DEVICEMAP */
const PORTABLE_AND_MAPPED = 3;

export class HostMemory {
  readonly #driver: Driver;
  readonly #live = new Set<CudaMemory>();
  readonly #out = new BigUint64Array(1);
  /** Bytes pinned now. */
  allocatedBytes = 0;

  constructor(driver: Driver) {
    this.#driver = driver;
  }

  allocate(bytes: number, label: string): CudaMemory {
    const status = this.#driver.fn.cuMemHostAlloc(this.#out, Math.max(1, bytes), PORTABLE_AND_MAPPED);
    if (status === CUDA_ERROR_OUT_OF_MEMORY) {
      throw new OutOfMemoryError({ doing: `Pinning "${label}"`, device: "the host", neededBytes: bytes, freeBytes: 0 });
    }
    this.#driver.check(`pinning "${label}"`, status);
    const memory = new CudaMemory(Number(this.#out[0]), bytes, label, this);
    this.#live.add(memory);
    this.allocatedBytes += bytes;
    return memory;
  }

  release(memory: DeviceMemory): void {
    const owned = cudaMemory("release", memory);
    if (owned.address === null) throw new ReleasedMemoryError("release", owned.label, "was already released");
    this.#driver.check("release", this.#driver.fn.cuMemFreeHost(owned.address));
    owned.address = null;
    this.#live.delete(owned);
    this.allocatedBytes -= owned.bytes;
  }

  /** Whether this address is one of the host's. */
  covers(address: number): boolean {
    for (const memory of this.#live) if (address >= memory.address! && address < memory.address! + memory.bytes) return true;
    return false;
  }

  releaseAll(): void {
    for (const memory of [...this.#live]) this.release(memory);
  }
}
