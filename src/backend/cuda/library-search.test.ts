import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { afterEach, describe, expect, it } from "vitest";
import { type CudaSearch, cublasLtCandidates, driverCandidates } from "./library-search.ts";

const folders: string[] = [];
afterEach(() => {
  for (const folder of folders.splice(0)) rmSync(folder, { recursive: true });
});

/** A folder with empty files at the given paths. */
function tree(...paths: string[]): string {
  const root = mkdtempSync(join(tmpdir(), "remora-cuda-"));
  folders.push(root);
  for (const path of paths) {
    mkdirSync(dirname(join(root, path)), { recursive: true });
    writeFileSync(join(root, path), "");
  }
  return root;
}

function find(root: string, search: CudaSearch): string[] {
  const options = { platform: "linux", toolkitParents: [], pythonRoots: [], env: {}, ...search } as const;
  return cublasLtCandidates(options).map((path) => path.replace(`${root}/`, ""));
}

describe("cublasLtCandidates", () => {
  it("takes REMORA_CUDA_LIBS first, then CUDA_HOME, then toolkits, then the loader, then Python", () => {
    const root = tree(
      "mine/libcublasLt.so.12",
      "home/lib64/libcublasLt.so.13",
      "usr/cuda-12.8/targets/x86_64-linux/lib/libcublasLt.so.12",
      "usr/cuda-13.0/lib64/libcublasLt.so.13",
      "venv/lib/python3.12/site-packages/nvidia/cu13/lib/libcublasLt.so.13",
      "venv/lib/python3.12/site-packages/nvidia/cublas/lib/libcublasLt.so.12",
    );
    const found = find(root, {
      env: { REMORA_CUDA_LIBS: join(root, "mine"), CUDA_HOME: join(root, "home") },
      toolkitParents: [join(root, "usr")],
      pythonRoots: [join(root, "venv")],
    });
    expect(found).toEqual([
      "mine/libcublasLt.so.12",
      "home/lib64/libcublasLt.so.13",
      "usr/cuda-13.0/lib64/libcublasLt.so.13",
      "usr/cuda-12.8/targets/x86_64-linux/lib/libcublasLt.so.12",
      "libcublasLt.so.13",
      "libcublasLt.so.12",
      "venv/lib/python3.12/site-packages/nvidia/cu13/lib/libcublasLt.so.13",
      "venv/lib/python3.12/site-packages/nvidia/cublas/lib/libcublasLt.so.12",
    ]);
  });

  it("reads PYTHONPATH entries, dist-packages and the python3 on the PATH", () => {
    const root = tree(
      "site/nvidia/cublas/lib/libcublasLt.so.12",
      "env/bin/python3",
      "env/lib/python3.11/dist-packages/nvidia/cu13/lib/libcublasLt.so.13",
    );
    const env = { PYTHONPATH: join(root, "site"), PATH: join(root, "env/bin") };
    const found = find(root, { env, pythonRoots: undefined });
    expect(found).toContain("site/nvidia/cublas/lib/libcublasLt.so.12");
    expect(found).toContain("env/lib/python3.11/dist-packages/nvidia/cu13/lib/libcublasLt.so.13");
  });

  it("leaves only the loader's names where nothing is installed", () => {
    expect(find("", {})).toEqual(["libcublasLt.so.13", "libcublasLt.so.12"]);
    expect(find("", { platform: "win32" })).toEqual(["cublasLt64_13.dll", "cublasLt64_12.dll"]);
  });
});

describe("driverCandidates", () => {
  it("asks the loader, after the folders that were named", () => {
    const root = tree("mine/libcuda.so.1");
    const env = { REMORA_CUDA_LIBS: join(root, "mine") };
    expect(driverCandidates({ env, platform: "linux" }).slice(0, 2)).toEqual([join(root, "mine", "libcuda.so.1"), "libcuda.so.1"]);
    expect(driverCandidates({ env: {}, platform: "win32" })).toEqual(["nvcuda.dll"]);
  });
});
