/**
 * Files mapped read-only, shared: a checkpoint's shard is mapped once however many tensors are loaded from it, and unmapped with the last.
 * Nothing is copied; the system pages weights in when a kernel first reads them.
 */
import { statSync } from "node:fs";
import { KernelError } from "../../errors/kernel-error.ts";
import { ShapeError } from "../../errors/shape-error.ts";
import { type NativeLibrary, OK } from "./bindings.generated.ts";
import { CpuMemory } from "./cpu-memory.ts";
import { statusName } from "./native-codes.ts";

interface Mapping {
  readonly key: string;
  readonly address: bigint;
  readonly bytes: number;
  users: number;
}

export class FileMappings {
  readonly #library: NativeLibrary;
  readonly #byKey = new Map<string, Mapping>();
  readonly #byMemory = new Map<CpuMemory, Mapping>();
  bytes = 0;

  constructor(library: NativeLibrary) {
    this.#library = library;
  }

  load(path: string, byteOffset: number, bytes: number, label: string, owner: object): CpuMemory {
    const mapping = this.#map(path);
    const end = byteOffset + bytes;
    if (!Number.isSafeInteger(byteOffset) || !Number.isSafeInteger(bytes) || byteOffset < 0 || bytes < 0 || end > mapping.bytes) {
      if (mapping.users === 0) this.#unmap(mapping);
      throw new ShapeError(`Loading "${label}" from ${path}`, `bytes ${byteOffset} … ${end}`, `a file of ${mapping.bytes} bytes`);
    }
    const memory = new CpuMemory(mapping.address + BigInt(byteOffset), bytes, label, owner, true);
    mapping.users++;
    this.#byMemory.set(memory, mapping);
    return memory;
  }

  release(memory: CpuMemory): void {
    const mapping = this.#byMemory.get(memory);
    if (!mapping) return;
    this.#byMemory.delete(memory);
    if (--mapping.users === 0) this.#unmap(mapping);
  }

  #map(path: string): Mapping {
    // A file that was replaced under the same name is another file: its inode or time differs.
    const { dev, ino, size, mtimeMs } = statSync(path);
    const key = `${dev}:${ino}:${size}:${mtimeMs}`;
    const known = this.#byKey.get(key);
    if (known) return known;
    const address = new BigInt64Array(1);
    const length = new BigInt64Array(1);
    const status = this.#library.remora_file_map(path, address, length);
    if (status !== OK) throw new KernelError("loadFile", statusName(status), `cannot map ${path}`);
    const mapping = { key, address: BigInt.asUintN(64, address[0]!), bytes: Number(length[0]), users: 0 };
    this.#byKey.set(key, mapping);
    this.bytes += mapping.bytes;
    return mapping;
  }

  #unmap(mapping: Mapping): void {
    this.#byKey.delete(mapping.key);
    this.bytes -= mapping.bytes;
    this.#library.remora_file_unmap(mapping.address, mapping.bytes);
  }
}
