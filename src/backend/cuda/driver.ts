/**
 * libcuda, opened at run time: only the driver API, no toolkit, no compiler.
 *
 * What can be missing on an ordinary machine (library, card, new enough driver) is a value with a reason; what fails later is a CudaError that
 * names the op.
 */
import koffi from "koffi";
import { CudaError } from "../../errors/cuda-error.ts";
import { DRIVER_DECLARATIONS, type DriverFunctions } from "./driver-functions.ts";
import { type CudaSearch, driverCandidates } from "./library-search.ts";

/** CUdevice_attribute numbers. */
const ATTRIBUTE = { multiprocessors: 16, sharedPerBlockOptIn: 97, computeMajor: 75, computeMinor: 76 } as const;

export interface CardFacts {
  readonly ordinal: number;
  readonly model: string;
  readonly memoryBytes: number;
  /** Compute capability: 9.0 is major 9, minor 0. */
  readonly major: number;
  readonly minor: number;
  readonly multiprocessors: number;
  /** Most shared memory of one block, in bytes. */
  readonly sharedPerBlock: number;
}

export type DriverOrReason = { readonly driver: Driver } | { readonly reason: string };

export class Driver {
  readonly fn: DriverFunctions;
  /** As the driver says it: 13000 is CUDA 13.0. */
  readonly version: number;
  readonly path: string;

  constructor(fn: DriverFunctions, path: string, version: number) {
    this.fn = fn;
    this.path = path;
    this.version = version;
  }

  /** Throws unless `status` is success. */
  check(op: string, status: number): void {
    if (status !== 0) throw new CudaError(op, this.statusName(status), this.statusText(status));
  }

  statusName(status: number): string {
    const out: (string | null)[] = [null];
    return this.fn.cuGetErrorName(status, out) === 0 && out[0] ? out[0] : `CUresult ${status}`;
  }

  statusText(status: number): string {
    const out: (string | null)[] = [null];
    return this.fn.cuGetErrorString(status, out) === 0 && out[0] ? out[0] : "the driver gives no reason";
  }

  cardCount(): number {
    const count = new Int32Array(1);
    this.check("cuDeviceGetCount", this.fn.cuDeviceGetCount(count));
    return count[0]!;
  }

  card(ordinal: number): CardFacts {
    const device = this.deviceHandle(ordinal);
    const name = Buffer.alloc(256);
    this.check("cuDeviceGetName", this.fn.cuDeviceGetName(name, name.length, device));
    const bytes = new BigUint64Array(1);
    this.check("cuDeviceTotalMem", this.fn.cuDeviceTotalMem_v2(bytes, device));
    return {
      ordinal,
      model: name.toString("utf8", 0, name.indexOf(0)),
      memoryBytes: Number(bytes[0]),
      major: this.attribute(device, ATTRIBUTE.computeMajor),
      minor: this.attribute(device, ATTRIBUTE.computeMinor),
      multiprocessors: this.attribute(device, ATTRIBUTE.multiprocessors),
      sharedPerBlock: this.attribute(device, ATTRIBUTE.sharedPerBlockOptIn),
    };
  }

  deviceHandle(ordinal: number): number {
    const device = new Int32Array(1);
    this.check("cuDeviceGet", this.fn.cuDeviceGet(device, ordinal));
    return device[0]!;
  }

  attribute(device: number, attribute: number): number {
    const value = new Int32Array(1);
    this.check("cuDeviceGetAttribute", this.fn.cuDeviceGetAttribute(value, attribute, device));
    return value[0]!;
  }
}

const CUDA_ERROR_NO_DEVICE = 100;

/** Opens and initializes the driver, or says in one line why that cannot be. */
export function openDriver(search: CudaSearch = {}): DriverOrReason {
  const candidates = driverCandidates(search);
  const problems: string[] = [];
  for (const path of candidates) {
    let fn: DriverFunctions;
    try {
      fn = bind(path);
    } catch (error) {
      problems.push(`${path}: ${(error as Error).message.split("\n")[0]}`);
      continue;
    }
    return startDriver(fn, path);
  }
  return { reason: `no NVIDIA driver: ${candidates[0]} was not found or cannot be loaded (${problems.at(-1) ?? "nothing to try"})` };
}

/** Initializes an opened driver. */
export function startDriver(fn: DriverFunctions, path: string): DriverOrReason {
  const version = new Int32Array(1);
  const probe = new Driver(fn, path, 0);
  const status = fn.cuInit(0);
  if (status === CUDA_ERROR_NO_DEVICE) return { reason: "the NVIDIA driver is there, but it finds no card" };
  if (status !== 0) return { reason: `the NVIDIA driver does not start: ${probe.statusText(status)} (${probe.statusName(status)})` };
  probe.check("cuDriverGetVersion", fn.cuDriverGetVersion(version));
  return { driver: new Driver(fn, path, version[0]!) };
}

function bind(path: string): DriverFunctions {
  const library = koffi.load(path);
  const functions: Record<string, unknown> = {};
  for (const [name, declaration] of Object.entries(DRIVER_DECLARATIONS)) functions[name] = library.func(declaration);
  return functions as unknown as DriverFunctions;
}
