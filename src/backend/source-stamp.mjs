/**
 * The stamps of the kernel sources: SHA-256 over names and contents of all that is compiled, or null where no sources are shipped. A library or
 * an image that was made from other sources carries another stamp and is never taken.
 *
 * JavaScript, because the scripts that build and install run before anything can read TypeScript.
 */
import { createHash } from "node:crypto";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";

const CPU_FOLDERS = ["kernels/cpu", "kernels/include", "kernels/reference"];

/** Of the CPU kernels below the package's root. */
export function cpuSourceStamp(root) {
  return stampOf(
    CPU_FOLDERS.map((folder) => ({ folder: join(root, folder), prefix: `${folder}/` })),
    /\.(cpp|h)$/,
  );
}

/** Of the CUDA kernels. */
export function cudaSourceStamp(root) {
  return stampOf([{ folder: join(root, "kernels/cuda"), prefix: "" }], /\.(cu|cuh)$/);
}

/** Folders in the given order, files sorted by name; `prefix` stands before a file's name in the hash. */
function stampOf(folders, isSource) {
  const hash = createHash("sha256");
  let files = 0;
  for (const { folder, prefix } of folders) {
    if (!existsSync(folder)) continue;
    const names = readdirSync(folder).filter((name) => isSource.test(name));
    for (const name of names.sort()) {
      hash
        .update(`${prefix}${name}\0`)
        .update(readFileSync(join(folder, name)))
        .update("\0");
      files++;
    }
  }
  return files === 0 ? null : hash.digest("hex");
}
