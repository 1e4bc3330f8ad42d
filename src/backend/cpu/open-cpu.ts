/** Makes CPU backends: the fast kernels, or the reference kernels that everything is compared with. */
import process from "node:process";
import { DeviceError } from "../../errors/device-error.ts";
import { ISA_AUTO, type NativeLibrary } from "./bindings.generated.ts";
import { CpuBackend } from "./cpu-backend.ts";
import { CPU_ISAS, type CpuIsa } from "./isa.ts";
import { formatOpTimes, NativeContext } from "./native-context.ts";
import { openLibrary } from "./native-library.ts";

export interface CpuBackendOptions {
  /** @default what `REMORA_CPU` names, else the fastest the machine has */
  isa?: CpuIsa;
  /** @default one per core available to this process */
  threads?: number;
  /** Int32Array over a SharedArrayBuffer; any value but 0 in its first element stops before the next op with a CancelledError. */
  cancelFlag?: Int32Array;
  /** Add up calls and time by op, in `opTimes`. @default true when `REMORA_PROFILE=1`, which also prints the table when the backend is disposed */
  profile?: boolean;
  /** Path of the library. @default found by `findLibrary` */
  libraryPath?: string;
}

/** @throws NativeLibraryError when the library is missing or stale; DeviceError when this machine cannot run the ISA */
export function openCpuBackend(options: CpuBackendOptions = {}): CpuBackend {
  const library = openLibrary(options.libraryPath);
  const { isa, threads = 0, cancelFlag, profile = process.env.REMORA_PROFILE === "1" } = options;
  const handle = library.remora_context_create(isa === undefined ? ISA_AUTO : CPU_ISAS[isa], threads);
  if (handle === null || handle === 0n) {
    const wanted = isa ?? (process.env.REMORA_CPU ? `REMORA_CPU=${process.env.REMORA_CPU}` : "auto");
    throw new DeviceError("cpu", `the kernels "${wanted}" do not run on this machine; it has ${listIsas(library).join(", ")}`);
  }
  const device = isa === "reference" ? "reference" : "cpu";
  const context = new NativeContext(library, handle, device, { cancelFlag, profile });
  const printed = process.env.REMORA_PROFILE === "1";
  return new CpuBackend(
    library,
    context,
    printed ? () => process.stderr.write(`${formatOpTimes(context.times ?? new Map())}\n`) : undefined,
  );
}

/** The plain loops in f64 of kernels/reference: slow, obvious, the oracle of every test. */
export function openReferenceBackend(options: Omit<CpuBackendOptions, "isa"> = {}): CpuBackend {
  return openCpuBackend({ ...options, isa: "reference" });
}

/** What this machine can run, slowest first, `reference` included. */
export function availableCpuIsas(libraryPath?: string): CpuIsa[] {
  return listIsas(openLibrary(libraryPath));
}

function listIsas(library: NativeLibrary): CpuIsa[] {
  const isas = Object.entries(CPU_ISAS) as [CpuIsa, number][];
  return isas.filter(([, number]) => library.remora_isa_available(number) === 1).map(([name]) => name);
}
