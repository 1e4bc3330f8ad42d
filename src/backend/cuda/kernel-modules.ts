/**
 * Kernels by name: their image is loaded and their handle looked up at first use, their parameters are packed into a buffer that lives as long
 * as they do, so a launch allocates nothing on the native side.
 *
 * The driver gets the address of each parameter, not one packed buffer: where a parameter lies is the compiler's choice (for sm_90 a tensor map
 * that comes first lies at byte 48, so that its address in the constant bank is aligned to 64), and the driver knows it from the image.
 */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import koffi from "koffi";
import { KernelError } from "../../errors/kernel-error.ts";
import type { Driver } from "./driver.ts";
import type { KernelImages } from "./find-images.ts";
import { type KernelSignature, type ParameterLayout, type ParameterValue, packParameters, parameterLayout } from "./kernel-table.ts";
import { LaunchConfig } from "./launch-config.ts";

/** CUfunction_attribute: dynamic shared memory a block may ask for. */
const MAX_DYNAMIC_SHARED = 8;
/** More dynamic shared memory than this must be asked for first. */
const SHARED_WITHOUT_ASKING = 48 * 1024;
const PARAMETER_ALIGNMENT = 64;

export interface Grid {
  readonly x: number;
  readonly y?: number;
  readonly z?: number;
}

interface LoadedKernel {
  readonly handle: number | bigint;
  readonly threads: number;
  readonly early: boolean;
  readonly layout: ParameterLayout;
  readonly view: DataView;
  /** Addresses of the parameters in `view`, which keeps them good. */
  readonly addresses: Uint8Array;
  shared: number;
}

export class KernelModules {
  readonly #driver: Driver;
  readonly #images: KernelImages;
  readonly #signatures: ReadonlyMap<string, KernelSignature>;
  readonly #kernels = new Map<string, LoadedKernel>();
  readonly #modules = new Map<string, bigint>();
  readonly #config = new LaunchConfig();

  constructor(driver: Driver, images: KernelImages) {
    this.#driver = driver;
    this.#images = images;
    this.#signatures = new Map(images.table.kernels.map((kernel) => [kernel.name, kernel]));
  }

  has(name: string): boolean {
    const signature = this.#signatures.get(name);
    return signature !== undefined && this.#images.images.includes(signature.image);
  }

  /**
   * Enqueues one kernel. An empty grid is no launch. `shared` is dynamic shared memory in bytes. `early`: a kernel that waits by itself may start
   * before the one ahead of it has ended. `together`: all blocks are on the card at once.
   */
  launch(
    op: string,
    stream: bigint,
    name: string,
    grid: Grid,
    values: readonly ParameterValue[],
    shared: number,
    way: "plain" | "early" | "together",
  ): void {
    const { x, y = 1, z = 1 } = grid;
    if (x === 0 || y === 0 || z === 0) return;
    const kernel = this.#kernels.get(name) ?? this.#load(op, name);
    packParameters(kernel.view, kernel.layout, values);
    if (shared > kernel.shared) this.#allowShared(op, kernel, shared);
    const { handle, threads, addresses } = kernel;
    const { fn } = this.#driver;
    const status =
      way === "together" || (way === "early" && kernel.early)
        ? fn.cuLaunchKernelEx(this.#config.set(way, x, y, z, threads, shared, stream), handle, addresses, null)
        : fn.cuLaunchKernel(handle, x, y, z, threads, 1, 1, shared, stream, addresses, null);
    if (status !== 0) this.#driver.check(`${op} (${name})`, status);
  }

  unload(): void {
    for (const module of this.#modules.values()) this.#driver.fn.cuModuleUnload(module);
    this.#modules.clear();
    this.#kernels.clear();
  }

  #load(op: string, name: string): LoadedKernel {
    const signature = this.#signatures.get(name);
    if (!signature) throw new KernelError(op, "UNSUPPORTED", `there is no CUDA kernel ${name}`);
    const handle = new BigUint64Array(1);
    const module = this.#module(op, signature.image);
    this.#driver.check(`${op} (finding ${name})`, this.#driver.fn.cuModuleGetFunction(handle, module, name));
    const layout = parameterLayout(signature.params.map(({ type }) => type));
    const { view, addresses } = parameterBuffer(layout);
    const kernel = {
      handle: handle[0]!,
      threads: signature.threads,
      early: signature.early ?? false,
      layout,
      view,
      addresses,
      shared: SHARED_WITHOUT_ASKING,
    };
    this.#kernels.set(name, kernel);
    return kernel;
  }

  #module(op: string, image: string): bigint {
    const loaded = this.#modules.get(image);
    if (loaded !== undefined) return loaded;
    const path = join(this.#images.folder, `${image}.fatbin`);
    const out = new BigUint64Array(1);
    this.#driver.check(`${op} (loading ${path})`, this.#driver.fn.cuModuleLoadData(out, readFileSync(path)));
    this.#modules.set(image, out[0]!);
    return out[0]!;
  }

  #allowShared(op: string, kernel: LoadedKernel, shared: number): void {
    this.#driver.check(op, this.#driver.fn.cuFuncSetAttribute(kernel.handle, MAX_DYNAMIC_SHARED, shared));
    kernel.shared = shared;
  }
}

/** Room for the parameters of one kernel, aligned to 64, and the address of each as cuLaunchKernel reads them. */
export function parameterBuffer({ offsets, bytes }: ParameterLayout): { view: DataView; addresses: Uint8Array } {
  const room = Buffer.alloc(bytes + PARAMETER_ALIGNMENT);
  const address = BigInt(koffi.address(room));
  const start = Number(-address & BigInt(PARAMETER_ALIGNMENT - 1));
  const view = new DataView(room.buffer, room.byteOffset + start, bytes);
  const words = offsets.map((offset) => address + BigInt(start + offset));
  return { view, addresses: new Uint8Array(BigUint64Array.from(words).buffer) };
}
