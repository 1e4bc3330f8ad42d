import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, describe, expect, it } from "vitest";
import { CudaError } from "../../errors/cuda-error.ts";
import { cudaSourceStamp } from "../source-stamp.mjs";
import { findCublasLt } from "./cublaslt.ts";
import { cardProblem, driverProblem, versionText } from "./driver-requirements.ts";
import { findImages } from "./find-images.ts";
import { findCuda, probeWith } from "./probe-cuda.ts";

const folders: string[] = [];
afterEach(() => {
  for (const folder of folders.splice(0)) rmSync(folder, { recursive: true });
});
function emptyFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), "remora-probe-"));
  folders.push(folder);
  return folder;
}
const NOTHING = { env: {}, toolkitParents: [], pythonRoots: [] } as const;
const CARD = { ordinal: 0, model: "Quadro P400", memoryBytes: 2e9, major: 6, minor: 1, multiprocessors: 2, sharedPerBlock: 49152 };

describe("what a machine may lack", () => {
  it("is no driver", () => {
    // A folder that names the driver but holds no library: works the same with and without a card.
    const folder = emptyFolder();
    writeFileSync(join(folder, "nvcuda.dll"), "not a library");
    const found = findCuda({ ...NOTHING, env: { REMORA_CUDA_LIBS: folder }, platform: "win32" }, { reason: "unused" });
    expect(found).toEqual({ reason: expect.stringMatching(/^no NVIDIA driver: .*nvcuda\.dll was not found or cannot be loaded \(/) });
    expect(probeWith(found as { reason: string })).toEqual([
      { name: "cuda", available: false, reason: expect.stringMatching(/^no NVIDIA driver/) },
    ]);
  });

  it("is a driver older than the kernels need", () => {
    expect(driverProblem(12080, "13.0")).toMatchInlineSnapshot(
      `"the NVIDIA driver supports CUDA 12.8; these kernels need CUDA 13.0 (driver 580 or newer)"`,
    );
    expect(driverProblem(13000, "13.2")).toBeNull();
    expect(driverProblem(14010, "13.0")).toBeNull();
    expect(versionText(12040)).toBe("12.4");
  });

  it("is a card newer than 2018", () => {
    expect(cardProblem(CARD)).toMatchInlineSnapshot(`"Quadro P400 has compute capability 6.1; the kernels need 7.5 (Turing) or newer"`);
    expect(cardProblem({ ...CARD, major: 7, minor: 5 })).toBeNull();
    expect(cardProblem({ ...CARD, major: 9, minor: 0 })).toBeNull();
  });

  it("is cuBLASLt", () => {
    const found = findCublasLt({ ...NOTHING, platform: "win32" });
    expect(found).toEqual({
      reason:
        "cuBLASLt was not found (tried cublasLt64_13.dll, cublasLt64_12.dll). Install the CUDA toolkit's cuBLAS 12 or 13, or " +
        "`pip install nvidia-cublas`, and name its folder in REMORA_CUDA_LIBS.",
    });
  });

  it("is the compiled kernels", () => {
    const root = emptyFolder();
    expect(findImages(root, {})).toEqual({
      reason: expect.stringMatching(/^the CUDA kernels are not built: no images\.json in .*build-cuda\.mjs/),
    });
    mkdirSync(join(root, "prebuilds", "cuda"), { recursive: true });
    writeFileSync(join(root, "prebuilds", "cuda", "images.json"), JSON.stringify({ nvcc: "13.0", images: ["nf4"] }));
    expect(findImages(root, {})).toEqual({ reason: expect.stringMatching(/^kernels\.json, which describes .* is missing$/) });
    writeFileSync(join(root, "prebuilds", "cuda", "kernels.json"), JSON.stringify({ kernels: [] }));
    expect(findImages(root, {})).toMatchObject({ toolkit: "13.0", images: ["nf4"], table: { kernels: [] } });
    // With sources beside them, images count only when they were made from these.
    mkdirSync(join(root, "kernels", "cuda"), { recursive: true });
    writeFileSync(join(root, "kernels", "cuda", "nf4.cu"), "// a kernel");
    expect(findImages(root, {})).toEqual({
      reason: expect.stringMatching(/were made from other sources than those in kernels\/cuda; run/),
    });
    const stamped = { nvcc: "13.0", images: ["nf4"], stamp: cudaSourceStamp(root) };
    writeFileSync(join(root, "prebuilds", "cuda", "images.json"), JSON.stringify(stamped));
    expect(findImages(root, {})).toMatchObject({ toolkit: "13.0" });
  });
});

describe("CudaError", () => {
  it("names the op, and says how to find the right one when the fault came late", () => {
    expect(new CudaError("rmsNormForward", "CUDA_ERROR_INVALID_VALUE", "invalid argument").message).toMatchInlineSnapshot(
      `"Running rmsNormForward: invalid argument (CUDA_ERROR_INVALID_VALUE)"`,
    );
    expect(
      new CudaError("download", "CUDA_ERROR_ILLEGAL_ADDRESS", "an illegal memory access was encountered").message,
    ).toMatchInlineSnapshot(`
      "Running download: an illegal memory access was encountered (CUDA_ERROR_ILLEGAL_ADDRESS)
        The fault may come from an earlier op: run again with REMORA_CUDA_DEBUG=1, which waits after each op and names the right one."
    `);
  });
});
