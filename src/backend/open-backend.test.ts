import { expect, it } from "vitest";
import type { Backend } from "./backend.ts";
import { type CudaModule, openBackend, probeDevices } from "./open-backend.ts";

const opened = { device: { name: "a card" } } as unknown as Backend;

function cards(...probes: ReturnType<CudaModule["probeCuda"]>): () => Promise<CudaModule> {
  return async () => ({ probeCuda: () => probes, openCudaBackend: () => opened });
}

const none = async () => null;
const broken = cards({ name: "cuda:0", available: false, reason: "the driver is older than 12.4" });

it("opens the CPU and the reference by name", async () => {
  for (const name of ["cpu", "reference"] as const) {
    const backend = await openBackend(name, {}, none);
    expect(backend.device.kind).toBe(name);
    backend.dispose();
  }
});

it("takes a card for auto when one works, else the CPU", async () => {
  expect(await openBackend("auto", {}, cards({ name: "cuda:0", available: true, detail: "sm_90" }))).toBe(opened);
  for (const loadCuda of [none, broken]) {
    const backend = await openBackend("auto", { isa: "scalar", threads: 1 }, loadCuda);
    expect(backend.device.kind).toBe("cpu");
    backend.dispose();
  }
});

it("says why a device cannot be opened", async () => {
  await expect(openBackend("gpu", {}, none)).rejects.toThrowErrorMatchingInlineSnapshot(`
    [DeviceError: Opening device "gpu": expected auto, cpu, cuda, cuda:N or reference
      \`remora doctor\` lists the devices of this machine.]
  `);
  await expect(openBackend("cuda", {}, none)).rejects.toThrow("this version of remora has no CUDA backend\n  Use --device cpu.");
  await expect(openBackend("cuda:0", {}, broken)).rejects.toThrow("the driver is older than 12.4");
  await expect(openBackend("cuda:3", {}, broken)).rejects.toThrow("there is no such card; found cuda:0");
  const driverless = cards({ name: "cuda", available: false, reason: "no NVIDIA driver" });
  await expect(openBackend("cuda:3", {}, driverless)).rejects.toThrow("no NVIDIA driver");
});

it("lists every device with its reason", async () => {
  const [cpu, cuda] = await probeDevices(broken);
  expect(cpu).toMatchObject({ name: "cpu", available: true });
  expect(cuda).toEqual({ name: "cuda:0", available: false, reason: "the driver is older than 12.4" });
});
