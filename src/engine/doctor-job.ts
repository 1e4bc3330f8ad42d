/** `doctor`: what the machine offers and whether its kernels compute what the reference computes. */
import { cpus, platform, release } from "node:os";
import { relative } from "node:path";
import { findLibrary } from "../backend/cpu/find-library.ts";
import { CPU_ISAS, type CpuIsa } from "../backend/cpu/isa.ts";
import { availableCpuIsas, openCpuBackend, openReferenceBackend } from "../backend/cpu/open-cpu.ts";
import { probeDevices } from "../backend/open-backend.ts";
import { selfCheck } from "../backend/self-check.ts";
import { parseConfig } from "../config/parse.ts";
import type { DoctorReport } from "../config/reports.ts";
import { type DoctorConfigInput, doctorSchema } from "../config/schemas/demo.ts";
import type { JobHost } from "./job.ts";

const PEAK_SECONDS = 1;

export async function doctorJob(input: DoctorConfigInput & { version: string }, host: JobHost): Promise<DoctorReport> {
  const { version, ...rest } = input;
  const config = parseConfig(doctorSchema, rest, "Configuring remora doctor");
  const backend = openCpuBackend({ threads: config.threads, cancelFlag: host.cancelFlag });
  const reference = openReferenceBackend();
  try {
    const available = availableCpuIsas();
    const { device } = backend;
    const named = process.env.REMORA_CPU;
    return {
      remora: version,
      node: process.version,
      platform: `${platform()} ${release()} ${process.arch}`,
      cpu: {
        model: cpus()[0]?.model ?? device.model,
        isas: (Object.keys(CPU_ISAS) as CpuIsa[]).map((name) => {
          const has = available.includes(name);
          return { name, available: has, reason: has ? "" : "this processor does not have it" };
        }),
        chosen: device.architecture,
        chosenReason: named ? `REMORA_CPU=${named}` : "the fastest this processor has",
        threads: device.threads,
        memoryBytes: device.memoryBytes,
        freeMemoryBytes: device.freeMemoryBytes,
      },
      gpus: (await probeDevices())
        .filter(({ name }) => name.startsWith("cuda"))
        .map((probe) => ({ name: probe.name, available: probe.available, reason: probe.available ? probe.detail : probe.reason })),
      kernels: await selfCheck(backend, reference),
      library: relative(process.cwd(), findLibrary()),
      peaks: config.peaks
        ? (["f32", "bf16"] as const).map((dtype) => ({
            name: `multiply-add, ${dtype}`,
            value: backend.measurePeak(dtype, PEAK_SECONDS) / 1e9,
            unit: "GFLOP/s",
          }))
        : undefined,
    };
  } finally {
    backend.dispose();
    reference.dispose();
  }
}
