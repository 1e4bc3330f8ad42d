/**
 * Where the CPU library is looked for, in this order:
 *   1. `build/` of the checkout (`REMORA_BUILD_DIR` names another folder), written by `npm run build:kernels`
 *   2. `prebuilds/<platform>-<arch>/`, when its `stamp` file equals the hash of the kernel sources beside it (or no sources are there)
 *   3. the optional platform package `@remora/kernels-<platform>-<arch>`
 */
import { existsSync, readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join, resolve } from "node:path";
import process from "node:process";
import { fileURLToPath } from "node:url";
import { NativeLibraryError } from "../../errors/native-library-error.ts";
import { cpuSourceStamp } from "../source-stamp.mjs";

export interface LibrarySearch {
  /** The package's root folder. */
  root?: string;
  /** @default REMORA_BUILD_DIR, else `build`; relative to the root. */
  buildDirectory?: string;
  platform?: NodeJS.Platform;
  arch?: string;
}

export function findLibrary(search: LibrarySearch = {}): string {
  const { root = packageRoot(), platform = process.platform, arch = process.arch } = search;
  const file = libraryFileName(platform);
  const target = `${platform}-${arch}`;
  const searched: string[] = [];

  const built = join(resolve(root, search.buildDirectory ?? process.env.REMORA_BUILD_DIR ?? "build"), file);
  searched.push(built);
  if (existsSync(built)) return built;

  const prebuilt = join(root, "prebuilds", target, file);
  searched.push(prebuilt);
  let stale = false;
  if (existsSync(prebuilt)) {
    if (prebuiltIsCurrent(root, join(root, "prebuilds", target, "stamp"))) return prebuilt;
    stale = true;
  }

  const name = `@remora/kernels-${target}`;
  searched.push(name);
  try {
    return createRequire(join(root, "package.json")).resolve(`${name}/${file}`);
  } catch {
    // not installed: it is optional
  }
  const problem = stale
    ? `${file} for ${target} is not built, and the one in prebuilds/ is older than the kernel sources`
    : `${file} for ${target} is missing`;
  throw new NativeLibraryError(problem, "Run `npm run build:kernels` (needs g++ or clang++).", searched);
}

function libraryFileName(platform: NodeJS.Platform): string {
  if (platform === "win32") return "remora.dll";
  return platform === "darwin" ? "libremora.dylib" : "libremora.so";
}

function prebuiltIsCurrent(root: string, stampFile: string): boolean {
  const stamp = cpuSourceStamp(root);
  if (stamp === null) return true;
  return existsSync(stampFile) && readFileSync(stampFile, "utf8").trim() === stamp;
}

/** The nearest folder above this file whose package.json is ours: the checkout, or the installed package. */
export function packageRoot(): string {
  let folder = dirname(fileURLToPath(import.meta.url));
  for (;;) {
    const manifest = join(folder, "package.json");
    if (existsSync(manifest) && JSON.parse(readFileSync(manifest, "utf8")).name === "remora") return folder;
    const parent = dirname(folder);
    if (parent === folder) throw new NativeLibraryError("the package's root folder was not found", "Reinstall remora.");
    folder = parent;
  }
}
