/**
 * What the backend says when the driver refuses, told by a fake driver: a table of functions that succeed, hand out numbers for handles and do
 * nothing, but for the one that a test lets fail. No card and no library is needed.
 */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import koffi from "koffi";
import { afterAll, afterEach, describe, expect, it } from "vitest";
import { CudaError } from "../../errors/cuda-error.ts";
import { OutOfMemoryError } from "../../errors/out-of-memory-error.ts";
import type { Backend, Operand } from "../backend.ts";
import type { CublasLtFunctions } from "./cublaslt-functions.ts";
import { CudaBackend } from "./cuda-backend.ts";
import { type Driver, startDriver } from "./driver.ts";
import type { DriverFunctions } from "./driver-functions.ts";
import type { KernelImages } from "./find-images.ts";
import type { KernelTable } from "./kernel-table.ts";
import { type CudaInstallation, findCuda, probeWith } from "./probe-cuda.ts";

const STATUS: Readonly<Record<number, readonly [name: string, text: string]>> = {
  1: ["CUDA_ERROR_INVALID_VALUE", "invalid argument"],
  2: ["CUDA_ERROR_OUT_OF_MEMORY", "out of memory"],
  3: ["CUDA_ERROR_NOT_INITIALIZED", "initialization error"],
  209: ["CUDA_ERROR_NO_BINARY_FOR_GPU", "no kernel image is available for execution on the device"],
  700: ["CUDA_ERROR_ILLEGAL_ADDRESS", "an illegal memory access was encountered"],
  901: ["CUDA_ERROR_STREAM_CAPTURE_INVALIDATED", "operation failed due to a previous error during capture"],
};
/** The real table of kernels; images that hold nothing. */
const folder = mkdtempSync(join(tmpdir(), "remora-fake-cuda-"));
const table = JSON.parse(readFileSync(new URL("../../../kernels/cuda/kernels.json", import.meta.url), "utf8")) as KernelTable;
const IMAGES: KernelImages = { folder, toolkit: "13.0", table, images: [...new Set(table.kernels.map(({ image }) => image))] };
for (const image of IMAGES.images) writeFileSync(join(folder, `${image}.fatbin`), "");
afterAll(() => rmSync(folder, { recursive: true }));
/** Status by function, as a test sets it. */
const failing = new Map<string, number>();
afterEach(() => failing.clear());

type Call = (...values: unknown[]) => number;

/** Each call returns what `failing` says, else 0 after `known` has filled in its results. */
function fakeLibrary(known: Readonly<Record<string, Call>>): object {
  let handle = 4096;
  const giveHandle: Call = (out) => {
    handle += 4096;
    if (out instanceof BigUint64Array) out[0] = BigInt(handle);
    return 0;
  };
  return new Proxy(
    {},
    {
      get:
        (_, name: string) =>
        (...values: unknown[]) =>
          failing.get(name) ?? (known[name] ?? giveHandle)(...values),
    },
  );
}

const numbers =
  (value: number): Call =>
  (out) => {
    (out as Int32Array)[0] = value;
    return 0;
  };
const texts =
  (column: 0 | 1): Call =>
  (status, out) => {
    (out as (string | null)[])[0] = STATUS[status as number]?.[column] ?? null;
    return 0;
  };

function fakeDriver(version = 13000, memoryBytes = 8e9) {
  let address = 2 ** 20;
  const pinned: Buffer[] = [];
  const known: Record<string, Call> = {
    cuDriverGetVersion: numbers(version),
    cuDeviceGetCount: numbers(1),
    cuDeviceGet: numbers(0),
    cuDeviceGetName: (out) => (out as Buffer).write("Fake card\0") && 0,
    cuDeviceTotalMem_v2: (out) => {
      (out as BigUint64Array)[0] = BigInt(memoryBytes);
      return 0;
    },
    cuDeviceGetAttribute: (out, attribute) => numbers({ 16: 4, 97: 101376, 75: 8, 76: 6 }[attribute as number] ?? 0)(out),
    cuGetErrorName: texts(0),
    cuGetErrorString: texts(1),
    cuMemGetInfo_v2: (free, total) => {
      for (const out of [free, total]) (out as BigUint64Array)[0] = BigInt(memoryBytes);
      return 0;
    },
    cuMemAlloc_v2: (out, bytes) => {
      if ((bytes as number) > memoryBytes) return 2;
      (out as BigUint64Array)[0] = BigInt(address);
      address += Math.ceil((bytes as number) / 512) * 512;
      return 0;
    },
    cuMemHostAlloc: (out, bytes) => {
      const memory = Buffer.alloc(bytes as number);
      pinned.push(memory);
      (out as BigUint64Array)[0] = BigInt(koffi.address(memory));
      return 0;
    },
  };
  return startDriver(fakeLibrary(known) as DriverFunctions, "libfake.so");
}

function fakeBlas(): CublasLtFunctions {
  return fakeLibrary({
    cublasLtGetVersion: () => 130000,
    cublasLtGetStatusName: () => "CUBLAS_STATUS_NOT_SUPPORTED" as unknown as number,
    cublasLtMatmulAlgoGetHeuristic: (...values) => numbers(1)(values[9]),
  }) as CublasLtFunctions;
}

function openFake(options: { debug?: boolean } = {}): Backend {
  const opened = fakeDriver() as { driver: Driver };
  const cards = [opened.driver.card(0)];
  const installation: CudaInstallation = { ...opened, images: IMAGES, library: { fn: fakeBlas(), path: "fake", version: 130000 }, cards };
  return new CudaBackend(installation, 0, { profile: false, debug: false, ...options });
}

function f32(backend: Backend, shape: readonly number[], label: string): Operand {
  const count = shape.reduce((product, size) => product * size, 1);
  return { memory: backend.allocate(count * 4, label), byteOffset: 0, dtype: "f32", shape };
}

/** The error of the call, as its first line. */
async function errorOf(run: () => unknown): Promise<Error> {
  try {
    await run();
  } catch (error) {
    return error as Error;
  }
  throw new Error("nothing was thrown");
}

describe("a driver that cannot be used", () => {
  it("finds no card", () => {
    failing.set("cuInit", 100);
    expect(fakeDriver()).toEqual({ reason: "the NVIDIA driver is there, but it finds no card" });
  });

  it("does not start", () => {
    failing.set("cuInit", 3);
    expect(fakeDriver()).toEqual({ reason: "the NVIDIA driver does not start: initialization error (CUDA_ERROR_NOT_INITIALIZED)" });
    failing.set("cuInit", 999);
    expect(fakeDriver()).toEqual({ reason: "the NVIDIA driver does not start: the driver gives no reason (CUresult 999)" });
  });

  it("is too old: which it is, and which the kernels need", () => {
    const found = findCuda({}, IMAGES, fakeDriver(12080));
    expect(probeWith(found)).toEqual([
      {
        name: "cuda",
        available: false,
        reason: "the NVIDIA driver supports CUDA 12.8; these kernels need CUDA 13.0 (driver 580 or newer)",
      },
    ]);
  });

  it("is fine, but cuBLASLt is missing", () => {
    const nothing = { env: {}, toolkitParents: [], pythonRoots: [], platform: "win32" } as const;
    expect(findCuda(nothing, IMAGES, fakeDriver())).toEqual({ reason: expect.stringMatching(/^cuBLASLt was not found \(tried /) });
  });
});

describe("a refusal while running", () => {
  const cases: readonly [name: string, fails: string, status: number, run: (backend: Backend, x: Operand, y: Operand) => unknown][] = [
    ["add", "cuModuleLoadData", 209, (backend, x, y) => backend.add(x, y, 1)],
    ["add", "cuModuleGetFunction", 1, (backend, x, y) => backend.add(x, y, 1)],
    ["copy", "cuMemcpyDtoDAsync_v2", 1, (backend, x, y) => backend.copy(x, y)],
    ["zero", "cuMemsetD8Async", 700, (backend, x) => backend.zero(x)],
    ["upload", "cuMemcpyHtoDAsync_v2", 700, (backend, x) => backend.upload(x, new Uint8Array(1024))],
    ["download", "cuMemcpyDtoHAsync_v2", 700, (backend, x) => backend.download(x)],
    ["synchronize", "cuStreamSynchronize", 700, (backend) => backend.synchronize()],
  ];
  for (const [op, fails, status, run] of cases) {
    it(`of ${fails} names ${op}`, async () => {
      const backend = openFake();
      const [x, y] = [f32(backend, [16, 16], "x"), f32(backend, [16, 16], "y")];
      failing.set(fails, status);
      const error = (await errorOf(() => run(backend, x, y))) as CudaError;
      expect(error).toBeInstanceOf(CudaError);
      expect(error.op.split(" ")[0]).toBe(op);
      expect(error.status).toBe(STATUS[status]![0]);
      expect(error.message).toContain(`Running ${op}`);
      expect(error.message).toContain(STATUS[status]![1]);
    });
  }

  it("of cuBLASLt names the op, the product and the algorithm", async () => {
    const backend = openFake();
    const weight = { format: "f32" as const, rows: 8, cols: 16, data: f32(backend, [8, 16], "w"), path: "test.weight" };
    const linear = { parts: [{ weight }], dropout: 0 };
    const [x, y] = [f32(backend, [32, 16], "x"), f32(backend, [32, 8], "y")];
    failing.set("cublasLtMatmul", 15);
    const refused = await errorOf(() => backend.linearForward(linear, x, y, null));
    expect(refused.message).toMatch(
      /^Running linearForward \(product 32x8x16 NT f32>f32 .*algorithm .*\): cuBLASLt refused \(CUBLAS_STATUS_NOT_SUPPORTED\)/,
    );
    failing.clear();
    failing.set("cublasLtMatmulAlgoGetHeuristic", 15);
    const [rows, out] = [f32(backend, [48, 16], "x"), f32(backend, [48, 8], "y")];
    const none = await errorOf(() => backend.linearForward(linear, rows, out, null));
    expect(none.message).toMatch(/^Running linearForward \(no algorithm for the product 48x8x16/);
  });

  it("that comes late names the right op in debug mode, and else says how to find it", async () => {
    const debugged = openFake({ debug: true });
    const x = f32(debugged, [4], "x");
    failing.set("cuStreamSynchronize", 700);
    expect(((await errorOf(() => debugged.zero(x))) as CudaError).op).toBe("zero");
    failing.clear();
    const backend = openFake();
    const y = f32(backend, [4], "y");
    backend.zero(y);
    failing.set("cuStreamSynchronize", 700);
    const late = await errorOf(() => backend.synchronize());
    expect(late.message).toContain("The fault may come from an earlier op: run again with REMORA_CUDA_DEBUG=1");
  });

  it("of a captured step's replay is named so", async () => {
    const backend = openFake();
    const x = f32(backend, [4], "x");
    const step = backend.capture(() => backend.zero(x));
    failing.set("cuGraphLaunch", 901);
    const error = (await errorOf(() => step.replay())) as CudaError;
    expect(error.message).toContain("Running replay of a captured step: operation failed due to a previous error during capture");
  });

  it("of memory is an error of its own, with what was asked for and what is left; another refusal keeps its name", async () => {
    const backend = openFake();
    const full = (await errorOf(() => backend.allocate(9e9, "activations"))) as OutOfMemoryError;
    expect(full).toBeInstanceOf(OutOfMemoryError);
    expect(full.message).toContain('Allocating "activations"');
    expect(full.message).toContain("9.0 GB");
    failing.set("cuMemAlloc_v2", 700);
    expect(((await errorOf(() => backend.allocate(5e6, "weights"))) as CudaError).op).toBe("allocate");
  });
});
