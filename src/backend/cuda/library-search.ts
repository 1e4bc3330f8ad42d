/**
 * Where libcuda and cuBLASLt are looked for, in this order:
 *   1. the folders in `REMORA_CUDA_LIBS` (separated like PATH)
 *   2. `CUDA_HOME` and `CUDA_PATH`: lib64, lib, targets/<any>/lib, bin
 *   3. /usr/local/cuda and /usr/local/cuda-*: the same
 *   4. the loader's own path (a bare file name)
 *   5. Python's site-packages: nvidia/<any>/lib and bin (pip's `cublas`, `cu13`, `cu12` …)
 * Nothing is opened here; the result is a list of paths to try.
 */
import { existsSync, readdirSync } from "node:fs";
import { homedir } from "node:os";
import { delimiter, dirname, join } from "node:path";
import process from "node:process";

export interface CudaSearch {
  readonly env?: NodeJS.ProcessEnv;
  readonly platform?: NodeJS.Platform;
  /** Folders that may hold `cuda`, `cuda-13.0` … @default /usr/local */
  readonly toolkitParents?: readonly string[];
  /** Folders that hold Python installations' libraries. @default those of the usual places */
  readonly pythonRoots?: readonly string[];
}

/** Paths of the driver's library, best first. */
export function driverCandidates(search: CudaSearch = {}): string[] {
  const windows = (search.platform ?? process.platform) === "win32";
  const names = windows ? ["nvcuda.dll"] : ["libcuda.so.1", "libcuda.so"];
  const named = [...namedFolders(search), ...toolkitFolders(homes(search))].flatMap((folder) => existing(folder, names));
  // Containers mount the driver where the loader may not look.
  const mounted = windows ? [] : ["/usr/local/nvidia/lib64", "/usr/lib/wsl/lib"].flatMap((folder) => existing(folder, names));
  return unique([...named, names[0]!, ...mounted]);
}

/** Paths of cuBLASLt, best first: version 13, then 12. */
export function cublasLtCandidates(search: CudaSearch = {}): string[] {
  const windows = (search.platform ?? process.platform) === "win32";
  const names = windows ? ["cublasLt64_13.dll", "cublasLt64_12.dll"] : ["libcublasLt.so.13", "libcublasLt.so.12"];
  const installed = [...toolkitFolders(homes(search)), ...toolkitFolders(toolkits(search))];
  const first = [...namedFolders(search), ...installed].flatMap((folder) => existing(folder, names));
  const python = pythonFolders(search).flatMap((folder) => existing(folder, names));
  return unique([...first, ...names, ...python]);
}

function namedFolders({ env = process.env }: CudaSearch): string[] {
  return (env.REMORA_CUDA_LIBS ?? "").split(delimiter).filter(Boolean);
}

function homes({ env = process.env }: CudaSearch): string[] {
  return [env.CUDA_HOME, env.CUDA_PATH].filter((folder): folder is string => Boolean(folder));
}

function toolkits({ toolkitParents = ["/usr/local"] }: CudaSearch): string[] {
  return toolkitParents.flatMap((parent) =>
    list(parent)
      .filter((name) => /^cuda(-\d.*)?$/.test(name))
      .sort((a, b) => b.localeCompare(a, "en", { numeric: true }))
      .map((name) => join(parent, name)),
  );
}

function toolkitFolders(toolkitHomes: readonly string[]): string[] {
  return toolkitHomes.flatMap((home) => [
    join(home, "lib64"),
    join(home, "lib"),
    ...list(join(home, "targets")).map((target) => join(home, "targets", target, "lib")),
    join(home, "bin"),
    join(home, "bin", "x64"),
  ]);
}

/** nvidia/<package>/lib of every site-packages folder that can be found without asking Python. */
function pythonFolders(search: CudaSearch): string[] {
  const roots = search.pythonRoots ?? defaultPythonRoots(search.env ?? process.env);
  return roots.flatMap((root) =>
    sitePackages(root).flatMap((site) =>
      list(join(site, "nvidia")).flatMap((name) => [join(site, "nvidia", name, "lib"), join(site, "nvidia", name, "bin")]),
    ),
  );
}

function defaultPythonRoots(env: NodeJS.ProcessEnv): string[] {
  const environments = [env.VIRTUAL_ENV, env.CONDA_PREFIX].filter((folder): folder is string => Boolean(folder));
  const path = (env.PYTHONPATH ?? "").split(delimiter).filter(Boolean);
  return [...path, ...environments, ...pythonsOnPath(env), "/usr/local", "/usr", join(homedir(), ".local"), "/opt/conda", "/opt/venv"];
}

/** Installations whose `python3` is on the PATH: the folder above its `bin`. */
function pythonsOnPath(env: NodeJS.ProcessEnv): string[] {
  const folders = (env.PATH ?? "").split(delimiter).filter((folder) => folder && existsSync(join(folder, "python3")));
  return folders.map((folder) => dirname(folder));
}

/** `root` itself (an entry of PYTHONPATH), and root/lib/python3.x/{site,dist}-packages. */
function sitePackages(root: string): string[] {
  const found = [root];
  for (const lib of ["lib", "lib64", "Lib"]) {
    found.push(join(root, lib, "site-packages"));
    for (const name of list(join(root, lib))) {
      if (/^python3/.test(name)) found.push(join(root, lib, name, "site-packages"), join(root, lib, name, "dist-packages"));
    }
  }
  return found;
}

function existing(folder: string, names: readonly string[]): string[] {
  return names.map((name) => join(folder, name)).filter((path) => existsSync(path));
}

function list(folder: string): string[] {
  try {
    return readdirSync(folder).sort();
  } catch {
    return [];
  }
}

function unique(paths: readonly string[]): string[] {
  return [...new Set(paths)];
}
