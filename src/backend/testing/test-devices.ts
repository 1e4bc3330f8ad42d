/**
 * The devices that device tests run on: the reference kernels, every CPU ISA of this machine, and CUDA where there is a card.
 * `REMORA_TEST_DEVICES=avx2,reference` picks some. A device that is left out says why; with `REMORA_REQUIRE_CUDA=1` (the GPU runner of CI) a
 * missing card is a failure instead.
 */
import process from "node:process";
import type { Backend } from "../backend.ts";
import { CPU_ISAS, type CpuIsa } from "../cpu/isa.ts";
import { availableCpuIsas, openCpuBackend } from "../cpu/open-cpu.ts";
import { openBackend, probeDevices } from "../open-backend.ts";

export interface TestDevice {
  /** `avx2`, `cuda:0` … */
  readonly name: string;
  /** Why it cannot be used here; undefined when it can. */
  readonly missing?: string;
  open(): Promise<Backend>;
}

/** More threads than most small cases have pieces of work, and an odd number: what is split badly shows. */
const TEST_THREADS = 3;

export async function testDevices(): Promise<TestDevice[]> {
  const wanted = process.env.REMORA_TEST_DEVICES?.split(",");
  const all = [...cpuDevices(), ...(await cudaDevices())];
  return wanted ? all.filter((device) => wanted.includes(device.name)) : all;
}

function cpuDevices(): TestDevice[] {
  const available = availableCpuIsas();
  return (Object.keys(CPU_ISAS) as CpuIsa[]).map((isa) => ({
    name: isa,
    missing: available.includes(isa) ? undefined : "this processor does not have it",
    open: async () => openCpuBackend({ isa, threads: TEST_THREADS, profile: false }),
  }));
}

async function cudaDevices(): Promise<TestDevice[]> {
  const probes = (await probeDevices()).filter((probe) => probe.name.startsWith("cuda"));
  // One card speaks for all of them.
  const probe = probes.find((candidate) => candidate.available) ?? probes[0];
  if (!probe) return [];
  return [{ name: probe.name, missing: probe.available ? undefined : probe.reason, open: () => openBackend(probe.name) }];
}

export function cudaIsRequired(): boolean {
  return process.env.REMORA_REQUIRE_CUDA === "1";
}
