/**
 * Where the compiled kernels are: `build/cuda` of the checkout (`REMORA_BUILD_DIR` names another build folder), then `prebuilds/cuda`.
 * A folder counts when it has `images.json`, which names the images and the toolkit that made them.
 */
import { existsSync, readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import process from "node:process";
import { packageRoot } from "../cpu/find-library.ts";
import type { KernelTable } from "./kernel-table.ts";

export interface KernelImages {
  readonly folder: string;
  /** Version of the toolkit that made them: "13.0". */
  readonly toolkit: string;
  readonly images: readonly string[];
  readonly table: KernelTable;
}

export function findImages(root: string = packageRoot(), env: NodeJS.ProcessEnv = process.env): KernelImages | { readonly reason: string } {
  const folders = [join(resolve(root, env.REMORA_BUILD_DIR ?? "build"), "cuda"), join(root, "prebuilds", "cuda")];
  const folder = folders.find((candidate) => existsSync(join(candidate, "images.json")));
  if (!folder)
    return {
      reason: `the CUDA kernels are not built: no images.json in ${folders.join(" or ")}; run \`node scripts/build-cuda.mjs\` (needs nvcc)`,
    };
  const tables = [join(folder, "kernels.json"), join(root, "kernels", "cuda", "kernels.json")];
  const table = tables.find((candidate) => existsSync(candidate));
  if (!table) return { reason: `kernels.json, which describes the CUDA kernels in ${folder}, is missing` };
  const { nvcc, images } = JSON.parse(readFileSync(join(folder, "images.json"), "utf8")) as { nvcc: string; images: string[] };
  return { folder, toolkit: nvcc, images, table: JSON.parse(readFileSync(table, "utf8")) as KernelTable };
}
