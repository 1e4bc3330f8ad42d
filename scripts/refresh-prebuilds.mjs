// Refreshes prebuilds/<platform>-<arch>/ from the sources as they are: `npm run build:prebuilds`. Not part of every commit: done when kernels
// have settled. The library is built in a folder of its own, stripped where `strip` exists, and stamped with the hash of its sources.
import { spawnSync } from "node:child_process";
import { copyFileSync, mkdirSync, statSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { kernelStamp, prebuildFolder } from "./kernel-stamp.mjs";

const root = resolve(fileURLToPath(import.meta.url), "../..");
const { buildKernels, libraryName } = await import("./build-kernels.mjs");

const stamp = kernelStamp(root);
const built = await buildKernels();
if (kernelStamp(root) !== stamp) throw new Error("the kernel sources changed while they were built; run it again");
const folder = join(root, prebuildFolder());
mkdirSync(folder, { recursive: true });
const library = join(folder, libraryName());
copyFileSync(built, library);
if (process.platform === "linux") spawnSync("strip", ["--strip-unneeded", library]);
writeFileSync(join(folder, "stamp"), `${stamp}\n`);
process.stderr.write(
  `${prebuildFolder()}/${libraryName()}: ${(statSync(library).size / 1e6).toFixed(1)} MB, stamp ${stamp.slice(0, 12)}\n`,
);
