/**
 * From a device's name to a backend: `auto`, `cpu`, `cuda`, `cuda:N`, `reference`.
 *
 * A missing device is a value with a reason, never a crash: `probeDevices` lists what could be opened and why the rest could not.
 */
import { DeviceError } from "../errors/device-error.ts";
import { RemoraError } from "../errors/remora-error.ts";
import type { Backend } from "./backend.ts";
import { availableCpuIsas, type CpuBackendOptions, openCpuBackend, openReferenceBackend } from "./cpu/open-cpu.ts";
import type { DeviceProbe } from "./device-probe.ts";

/** What a CUDA backend module exports. It is imported only when asked for. */
export interface CudaModule {
  probeCuda(): readonly DeviceProbe[];
  openCudaBackend(index: number, options: { cancelFlag?: Int32Array; profile?: boolean }): Backend;
}

export type LoadCuda = () => Promise<CudaModule | null>;

/** @throws DeviceError with the reason, NativeLibraryError */
export async function openBackend(name: string, options: CpuBackendOptions = {}, loadCuda: LoadCuda = importCuda): Promise<Backend> {
  if (name === "cpu") return openCpuBackend(options);
  if (name === "reference") return openReferenceBackend(options);
  if (name === "auto") {
    const cuda = await loadCuda();
    const first = cuda?.probeCuda().find((probe) => probe.available);
    return cuda && first ? cuda.openCudaBackend(cudaIndex(first.name) ?? 0, options) : openCpuBackend(options);
  }
  const index = cudaIndex(name);
  if (index === null) throw new DeviceError(name, "expected auto, cpu, cuda, cuda:N or reference");
  const cuda = await loadCuda();
  if (!cuda) throw new DeviceError(name, "this version of remora has no CUDA backend", "Use --device cpu.");
  // A probe named "cuda" alone says why this machine has no card at all.
  const probe = cuda.probeCuda().find((candidate) => candidate.name === "cuda" || cudaIndex(candidate.name) === index);
  if (!probe)
    throw new DeviceError(
      name,
      `there is no such card; found ${
        cuda
          .probeCuda()
          .map((p) => p.name)
          .join(", ") || "none"
      }`,
    );
  if (!probe.available) throw new DeviceError(name, probe.reason);
  return cuda.openCudaBackend(index, options);
}

/** Every device this machine might have, with the reason where it cannot be used. */
export async function probeDevices(loadCuda: LoadCuda = importCuda): Promise<DeviceProbe[]> {
  return [probeCpu(), ...(await probeCuda(loadCuda))];
}

function probeCpu(): DeviceProbe {
  try {
    return { name: "cpu", available: true, detail: `kernels: ${availableCpuIsas().join(", ")}` };
  } catch (error) {
    if (!RemoraError.isInstance(error)) throw error;
    return { name: "cpu", available: false, reason: error.problem };
  }
}

async function probeCuda(loadCuda: LoadCuda): Promise<readonly DeviceProbe[]> {
  const cuda = await loadCuda();
  return cuda ? cuda.probeCuda() : [{ name: "cuda", available: false, reason: "this version of remora has no CUDA backend" }];
}

/** `cuda` → 0, `cuda:2` → 2, anything else → null. */
function cudaIndex(name: string): number | null {
  const match = /^cuda(?::(\d+))?$/.exec(name);
  return match ? Number(match[1] ?? 0) : null;
}

/** Imported only here, so that a run on the CPU never looks for a driver. */
async function importCuda(): Promise<CudaModule> {
  return import("./cuda/cuda-backend.ts");
}
