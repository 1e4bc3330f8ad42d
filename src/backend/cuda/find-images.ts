/**
 * Where the compiled kernels are: `build/cuda` of the checkout (`REMORA_BUILD_DIR` names another build folder), then `prebuilds/cuda`.
 * A folder counts when it has `images.json`, which names the images, the toolkit and the sources that made them; prebuilt images of other sources
 * than those of this checkout are never taken.
 */
import { existsSync, readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import process from "node:process";
import { packageRoot } from "../cpu/find-library.ts";
import { cudaSourceStamp } from "../source-stamp.mjs";
import type { KernelTable } from "./kernel-table.ts";

export interface KernelImages {
  readonly folder: string;
  /** Version of the toolkit that made them: "13.0". */
  readonly toolkit: string;
  readonly images: readonly string[];
  readonly table: KernelTable;
}

function prebuiltAreCurrent(root: string, folder: string): boolean {
  const stamp = cudaSourceStamp(root);
  return stamp === null || (JSON.parse(readFileSync(join(folder, "images.json"), "utf8")) as { stamp?: string }).stamp === stamp;
}

export function findImages(root: string = packageRoot(), env: NodeJS.ProcessEnv = process.env): KernelImages | { readonly reason: string } {
  const folders = [join(resolve(root, env.REMORA_BUILD_DIR ?? "build"), "cuda"), join(root, "prebuilds", "cuda")];
  const [built, prebuilt] = folders as [string, string];
  const present = (candidate: string) => existsSync(join(candidate, "images.json"));
  const folder = present(built) ? built : present(prebuilt) && prebuiltAreCurrent(root, prebuilt) ? prebuilt : undefined;
  if (!folder && present(prebuilt))
    return {
      reason: `the CUDA kernels in ${prebuilt} were made from other sources than those in kernels/cuda; run \`node scripts/build-cuda.mjs\` (needs nvcc)`,
    };
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
