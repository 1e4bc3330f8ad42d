// Refreshes prebuilds/<platform>-<arch>/ from the kernel sources as they are. Not part of every commit: done when kernels have settled.
//
//   npm run build:prebuilds                                          this machine's compiler, this platform (needs this machine's glibc or newer)
//   npm run build:prebuilds -- --zig "python3 -m ziglang"            the released build: linux-x64, for every glibc from 2.17
//   npm run build:prebuilds -- --zig zig --targets all --out folder  every platform of TARGETS, into another folder
//
// zig (the compiler clang with the libc headers and stubs of every platform, PyPI `ziglang`) is a tool of developers: users, tests and CI never
// need it. Each library is built in build/prebuilds/<target>, stripped, checked (Linux: glibc and libraries asked for) and stamped with the hash
// of its sources. What was proven for which platform: docs/add/platform.md.
import { execFileSync, spawnSync } from "node:child_process";
import { copyFileSync, mkdirSync, statSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { cpuSourceStamp } from "../src/backend/source-stamp.mjs";
import { buildKernels, libraryName } from "./build-kernels.mjs";
import { compare, elfNeeds, newestGlibc } from "./elf-needs.mjs";

const root = resolve(fileURLToPath(import.meta.url), "../..");
const OLDEST_GLIBC = [2, 17];
const SYSTEM_LIBRARIES = /^(libc\.so\.6|libm\.so\.6|libpthread\.so\.0|ld-linux-(x86-64\.so\.2|aarch64\.so\.1))$/;
// zig's name of each platform.
const TARGETS = {
  "linux-x64": "x86_64-linux-gnu.2.17",
  "linux-arm64": "aarch64-linux-gnu.2.17",
  "darwin-arm64": "aarch64-macos.11.0",
  "win32-x64": "x86_64-windows-gnu",
};

const { values } = parseArgs({
  options: { zig: { type: "string" }, targets: { type: "string", default: "" }, out: { type: "string", default: "prebuilds" } },
});
const here = `${process.platform}-${process.arch}`;
const targets = values.targets === "all" ? Object.keys(TARGETS) : values.targets ? values.targets.split(",") : [here];
for (const target of targets) {
  if (values.zig ? !TARGETS[target] : target !== here) {
    const known = values.zig ? Object.keys(TARGETS).join(", ") : `${here} (others need --zig)`;
    throw new Error(`refreshing prebuilds: --targets names ${target}; expected ${known}.`);
  }
}

/** The fields of build-kernels' Build that make zig compile for a target. */
function zigBuild(target) {
  const [platform, arch] = target.split("-");
  const zig = values.zig.split(/\s+/).filter(Boolean);
  const version = `zig ${execFileSync(zig[0], [...zig.slice(1), "version"], { encoding: "utf8" })}`;
  const words = ["-target", TARGETS[target]];
  return {
    platform,
    arch,
    compiler: { words: [...zig, "c++", ...words, "-fno-sanitize=all", "-g0"], version },
    // The C driver links: our code asks nothing of a C++ run-time library, so that none is built or shipped. On Linux not of the compiler's
    // own either (it would shadow libc's memcpy and libm's exp); a symbol that nothing defines is an error there.
    linker: [...zig, "cc", ...words],
    linkFlags: platform === "linux" ? ["-s", "-rtlib=none", "-Wl,-z,defs"] : ["-s"],
  };
}

function describe(target, library) {
  if (!target.startsWith("linux-")) return "";
  const { libraries, versions } = elfNeeds(library);
  const glibc = newestGlibc(versions);
  const strange = libraries.filter((name) => !SYSTEM_LIBRARIES.test(name));
  if (values.zig && (compare(glibc, OLDEST_GLIBC) > 0 || strange.length > 0)) {
    throw new Error(
      `${library} needs glibc ${glibc.join(".")} and ${libraries.join(", ")}; expected at most glibc ${OLDEST_GLIBC.join(".")} and its libraries`,
    );
  }
  return `, glibc >= ${glibc.join(".")} (${libraries.join(" ")})`;
}

const stamp = cpuSourceStamp(root);
for (const target of targets) {
  const started = Date.now();
  const name = libraryName(target.split("-")[0]);
  const built = await buildKernels({ buildDir: join(root, "build", "prebuilds", target), ...(values.zig ? zigBuild(target) : {}) });
  if (cpuSourceStamp(root) !== stamp) throw new Error("the kernel sources changed while they were built; run it again");
  const folder = resolve(root, values.out, target);
  mkdirSync(folder, { recursive: true });
  const library = join(folder, name);
  copyFileSync(built, library);
  if (!values.zig && process.platform === "linux") spawnSync("strip", ["--strip-unneeded", library]);
  const needs = describe(target, library);
  writeFileSync(join(folder, "stamp"), `${stamp}\n`);
  const seconds = ((Date.now() - started) / 1000).toFixed(0);
  process.stderr.write(
    `${target}/${name}: ${(statSync(library).size / 1e6).toFixed(2)} MB, ${seconds} s, stamp ${stamp.slice(0, 12)}${needs}\n`,
  );
}
