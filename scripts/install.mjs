// Runs in a checkout after `npm ci` (npm's `prepare`), with Node alone: makes the native library and `dist/` ready.
//   library: prebuilds/<platform>-<arch>/ when its stamp equals the hash of the kernel sources; else built when a C++ compiler is there; else
//            one line that says what is missing. A library in build/ is brought up to date, because the loader prefers it.
//   dist:    built by tsdown, so that `remora`, `npm run demo` and the worker (Node 20 cannot load TypeScript) work at once.
// REMORA_KERNELS=build builds even when the prebuilt library is current.
import { spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import { join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { cpuSourceStamp } from "../src/backend/source-stamp.mjs";
import { prebuildFolder, prebuildIsCurrent } from "./kernel-stamp.mjs";

const root = resolve(fileURLToPath(import.meta.url), "../..");
const say = (line) => process.stderr.write(`remora: ${line}\n`);

function hasCompiler() {
  const works = (name) => spawnSync(name, ["--version"], { stdio: "ignore" }).status === 0;
  return [process.env.CXX, "g++", "clang++"].some((name) => name && works(name));
}

async function prepareKernels() {
  if (cpuSourceStamp(root) === null) return; // an installed package: the library comes from the platform package
  const { buildKernels, libraryName } = await import("./build-kernels.mjs");
  const buildFolder = resolve(root, process.env.REMORA_BUILD_DIR ?? "build");
  const built = existsSync(join(buildFolder, libraryName()));
  const current = prebuildIsCurrent(root);
  if (current && !built && process.env.REMORA_KERNELS !== "build") {
    say(`native library from ${prebuildFolder()}/`);
  } else if (hasCompiler()) {
    await buildKernels({ log: say });
  } else if (built) {
    say("no C++ compiler (g++ or clang++): the library in build/ is kept as it is");
  } else {
    const why = existsSync(join(root, prebuildFolder())) ? "is older than the kernel sources" : "is not there";
    say(
      `the native library is missing: ${prebuildFolder()}/ ${why} and no C++ compiler was found. Install g++ or clang++, then \`npm run build:kernels\`.`,
    );
  }
}

function buildDist() {
  const tsdown = join(root, "node_modules/tsdown/dist/run.mjs");
  if (!existsSync(tsdown)) {
    if (!existsSync(join(root, "dist"))) say("dist/ is not built: tsdown is a development dependency. Run `npm ci` without --omit=dev.");
    return;
  }
  const result = spawnSync(process.execPath, [tsdown], { cwd: root, encoding: "utf8" });
  if (result.status !== 0) {
    process.stderr.write(`${result.stdout}${result.stderr}`);
    throw new Error("building dist/ failed");
  }
}

try {
  await prepareKernels();
  buildDist();
} catch (error) {
  say(error.message);
  process.exitCode = 1;
}
