/** Allocation, mapped files and their accounting for one CPU backend. Bytes are counted as asked for; mapped files are not allocations. */
import { OutOfMemoryError } from "../../errors/out-of-memory-error.ts";
import { ReleasedMemoryError } from "../../errors/released-memory-error.ts";
import type { DeviceMemory } from "../backend.ts";
import type { NativeLibrary } from "./bindings.generated.ts";
import { CpuMemory, cpuMemory } from "./cpu-memory.ts";
import { FileMappings } from "./file-mappings.ts";
import { freeMemory } from "./free-memory.ts";

/** Below this an allocation is not compared with the free memory: asking the system costs more than the allocation. */
const LARGE_ALLOCATION = 64e6;

export class MemoryPool {
  readonly #library: NativeLibrary;
  readonly #device: string;
  readonly #files: FileMappings;
  readonly #live = new Set<CpuMemory>();
  allocatedBytes = 0;
  peakBytes = 0;

  constructor(library: NativeLibrary, device: string) {
    this.#library = library;
    this.#device = device;
    this.#files = new FileMappings(library);
  }

  /** Bytes of files mapped at the moment, each file counted once. */
  get mappedBytes(): number {
    return this.#files.bytes;
  }

  allocate(bytes: number, label: string): CpuMemory {
    if (!Number.isSafeInteger(bytes) || bytes < 0) throw new RangeError(`Allocating "${label}": ${bytes} is not a number of bytes`);
    const freeBytes = bytes >= LARGE_ALLOCATION ? freeMemory() : undefined;
    const refused = freeBytes !== undefined && bytes > freeBytes;
    // One byte at least, so that an empty array has an address of its own.
    const address = refused ? null : this.#library.remora_allocate(Math.max(bytes, 1));
    if (address === null || address === 0n) {
      throw new OutOfMemoryError({ doing: `Allocating "${label}"`, device: this.#device, neededBytes: bytes, freeBytes });
    }
    const memory = new CpuMemory(address, bytes, label, this, false);
    this.#live.add(memory);
    this.allocatedBytes += bytes;
    if (this.allocatedBytes > this.peakBytes) this.peakBytes = this.allocatedBytes;
    return memory;
  }

  loadFile(path: string, byteOffset: number, bytes: number, label: string): CpuMemory {
    const memory = this.#files.load(path, byteOffset, bytes, label, this);
    this.#live.add(memory);
    return memory;
  }

  release(memory: DeviceMemory): void {
    const owned = cpuMemory("release", memory);
    if (owned.address === null) throw new ReleasedMemoryError("release", owned.label, "was already released");
    if (owned.owner !== this) throw new ReleasedMemoryError("release", owned.label, "belongs to another backend");
    const { address } = owned;
    owned.address = null;
    this.#live.delete(owned);
    if (owned.readOnly) {
      this.#files.release(owned);
      return;
    }
    this.#library.remora_release(address, Math.max(owned.bytes, 1));
    this.allocatedBytes -= owned.bytes;
  }

  resetPeak(): void {
    this.peakBytes = this.allocatedBytes;
  }

  releaseAll(): void {
    for (const memory of [...this.#live]) this.release(memory);
  }
}
