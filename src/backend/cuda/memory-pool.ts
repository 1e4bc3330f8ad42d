/**
 * Allocation on one card and its accounting. The driver's own allocation waits for the card, so released blocks are kept by size and handed out
 * again; they go back to the driver when an allocation does not fit otherwise. Ops run on one stream in order, so a block can be reused at once.
 *
 * While a captured graph is alive nothing goes back to the driver: the graph holds addresses.
 */
import { OutOfMemoryError } from "../../errors/out-of-memory-error.ts";
import { ReleasedMemoryError } from "../../errors/released-memory-error.ts";
import type { DeviceMemory } from "../backend.ts";
import { CudaMemory, cudaMemory } from "./cuda-memory.ts";
import type { Driver } from "./driver.ts";

const CUDA_ERROR_OUT_OF_MEMORY = 2;
const SMALL_STEP = 512;
const LARGE_STEP = 2 ** 21;

export class CudaMemoryPool {
  readonly #driver: Driver;
  readonly #device: string;
  readonly #live = new Set<CudaMemory>();
  readonly #kept = new Map<number, number[]>();
  readonly #out = new BigUint64Array(2);
  allocatedBytes = 0;
  peakBytes = 0;
  /** Bytes taken from the driver and not given back. */
  reservedBytes = 0;
  /** Captured graphs alive. */
  pins = 0;

  constructor(driver: Driver, device: string) {
    this.#driver = driver;
    this.#device = device;
  }

  allocate(bytes: number, label: string): CudaMemory {
    if (!Number.isSafeInteger(bytes) || bytes < 0) throw new RangeError(`Allocating "${label}": ${bytes} is not a number of bytes`);
    const size = blockBytes(bytes);
    const address = this.#kept.get(size)?.pop() ?? this.#fromDriver(size) ?? this.#afterTrimming(size);
    if (address === null) {
      throw new OutOfMemoryError({ doing: `Allocating "${label}"`, device: this.#device, neededBytes: bytes, freeBytes: this.freeBytes() });
    }
    const memory = new CudaMemory(address, bytes, label, this);
    this.#live.add(memory);
    this.allocatedBytes += bytes;
    if (this.allocatedBytes > this.peakBytes) this.peakBytes = this.allocatedBytes;
    return memory;
  }

  release(memory: DeviceMemory): void {
    const owned = cudaMemory("release", memory);
    if (owned.address === null) throw new ReleasedMemoryError("release", owned.label, "was already released");
    if (owned.owner !== this) throw new ReleasedMemoryError("release", owned.label, "belongs to another backend");
    const size = blockBytes(owned.bytes);
    const kept = this.#kept.get(size);
    if (kept) kept.push(owned.address);
    else this.#kept.set(size, [owned.address]);
    owned.address = null;
    this.#live.delete(owned);
    this.allocatedBytes -= owned.bytes;
  }

  /** Gives kept blocks back to the driver. */
  trim(): void {
    if (this.pins > 0) return;
    for (const [size, addresses] of this.#kept) {
      for (const address of addresses) this.#driver.check("release", this.#driver.fn.cuMemFree_v2(address));
      this.reservedBytes -= size * addresses.length;
    }
    this.#kept.clear();
  }

  resetPeak(): void {
    this.peakBytes = this.allocatedBytes;
  }

  /** What the card has left, kept blocks included. */
  freeBytes(): number {
    this.#driver.check("memory", this.#driver.fn.cuMemGetInfo_v2(this.#out.subarray(0, 1), this.#out.subarray(1, 2)));
    let kept = 0;
    for (const [size, addresses] of this.#kept) kept += size * addresses.length;
    return Number(this.#out[0]) + kept;
  }

  releaseAll(): void {
    for (const memory of [...this.#live]) this.release(memory);
    this.pins = 0;
    this.trim();
  }

  #afterTrimming(size: number): number | null {
    this.trim();
    return this.#fromDriver(size);
  }

  #fromDriver(size: number): number | null {
    const status = this.#driver.fn.cuMemAlloc_v2(this.#out, size);
    if (status === CUDA_ERROR_OUT_OF_MEMORY) return null;
    this.#driver.check("allocate", status);
    this.reservedBytes += size;
    return Number(this.#out[0]);
  }
}

/** Sizes are rounded so that a block fits later requests of nearly the same size. */
function blockBytes(bytes: number): number {
  const step = bytes < LARGE_STEP ? SMALL_STEP : LARGE_STEP;
  return Math.max(step, Math.ceil(bytes / step) * step);
}
