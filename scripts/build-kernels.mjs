// Builds the CPU kernel library: `node scripts/build-kernels.mjs` → build/libremora.so (.dylib, .dll). Needs g++ or clang++, nothing else.
//
// Every kernels/cpu/*.cpp is compiled once per instruction set (-DREMORA_ISA=avx2 with that set's flags), except files whose first line is
// `// build: once`; kernels/reference/*.cpp is compiled once, as REMORA_ISA=reference. Incremental: an object is kept while the hash of its
// flags, source and every header the compiler read is unchanged. families.h, written here, lists the `fill_<family>` functions found.
//
// Environment: REMORA_BUILD_DIR (default build), CXX, REMORA_BUILD_JOBS (default: the cores). scripts/refresh-prebuilds.mjs calls buildKernels()
// with a cross compiler, for other platforms.
import { execFile, execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, statSync, writeFileSync } from "node:fs";
import { availableParallelism } from "node:os";
import { basename, dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";

const root = resolve(dirname(fileURLToPath(import.meta.url)), "..");
const kernels = join(root, "kernels");

const COMMON_FLAGS = ["-O3", "-std=c++17", "-fvisibility=hidden", "-fno-exceptions", "-fno-rtti", "-pthread", "-Wall"];
const ISA_FLAGS = {
  x64: {
    scalar: [],
    avx2: ["-mavx2", "-mfma", "-mf16c"],
    avx512: ["-mavx512f", "-mavx512bw", "-mavx512dq", "-mavx512vl", "-mavx2", "-mfma", "-mf16c"],
    avx512_bf16: ["-mavx512f", "-mavx512bw", "-mavx512dq", "-mavx512vl", "-mavx512bf16", "-mavx2", "-mfma", "-mf16c"],
  },
  arm64: { scalar: [], neon: [] },
};

/** Library file name of this platform. */
export function libraryName(platform = process.platform) {
  if (platform === "win32") return "remora.dll";
  return platform === "darwin" ? "libremora.dylib" : "libremora.so";
}

/**
 * What one build is made for and with. Each field has this machine's value unless it is given.
 * @typedef {{ platform: string, arch: string, buildDir: string, objectDir: string, compiler: { words: string[], version: string },
 *   linker: string[] | null, linkFlags: string[] }} Build  linker: words of the command that links; null: the compiler
 */
function resolveBuild(options) {
  const { platform = process.platform, arch = process.arch, linker = null, linkFlags = [] } = options;
  const buildDir = resolve(root, options.buildDir ?? process.env.REMORA_BUILD_DIR ?? "build");
  if (!ISA_FLAGS[arch]) throw new Error(`building the kernels: no instruction sets are listed for ${arch}; expected x64 or arm64.`);
  return { platform, arch, buildDir, objectDir: join(buildDir, "obj"), compiler: options.compiler ?? findCompiler(), linker, linkFlags };
}

function findCompiler() {
  for (const name of [process.env.CXX, "g++", "clang++"]) {
    if (!name) continue;
    try {
      return { words: [name], version: execFileSync(name, ["--version"], { encoding: "utf8" }) };
    } catch {
      // not installed: try the next one
    }
  }
  throw new Error("building the kernels: expected g++ or clang++ on the PATH, found neither. Install one, or set CXX.");
}

function sourcesIn(folder) {
  const dir = join(kernels, folder);
  if (!existsSync(dir)) return [];
  return readdirSync(dir)
    .filter((name) => name.endsWith(".cpp"))
    .sort()
    .map((name) => {
      const path = join(dir, name);
      const text = readFileSync(path, "utf8");
      const families = [...text.matchAll(/^void fill_(\w+)\(Kernels/gm)].map((match) => match[1]);
      return { path, name: basename(name, ".cpp"), text, once: text.startsWith("// build: once"), families };
    });
}

/** The list of families that the tables call, kept only when it changes so that nothing else is compiled again. */
function writeFamilies(build, isas, cpu, reference, referenceHasTable) {
  const list = (sources) =>
    sources
      .flatMap((source) => source.families)
      .map((family) => ` X(${family})`)
      .join("");
  const text = [
    "// Written by scripts/build-kernels.mjs: what the sources of this build define.",
    "#pragma once",
    `#define REMORA_ISA_LIST(X)${isas.map((isa) => ` X(${isa})`).join("")}`,
    `#define REMORA_HAS_REFERENCE ${reference.length > 0 || referenceHasTable ? 1 : 0}`,
    "#if defined(REMORA_IS_REFERENCE)",
    `#define REMORA_FAMILY_LIST(X)${list(reference)}`,
    "#else",
    `#define REMORA_FAMILY_LIST(X)${list(cpu)}`,
    "#endif",
    "",
  ].join("\n");
  const path = join(build.objectDir, "families.h");
  if (!existsSync(path) || readFileSync(path, "utf8") !== text) writeFileSync(path, text);
}

function planUnits(build, isas, cpu, reference, referenceHasTable) {
  const arch = ISA_FLAGS[build.arch];
  const units = [];
  for (const source of cpu.filter((source) => source.once)) units.push({ ...source, group: "once", flags: [] });
  // Not vectorized: nothing there needs speed, and GCC 12 for arm64 stops with an internal error when it vectorizes weights.cpp.
  const referenceFlags = ["-DREMORA_ISA=reference", "-DREMORA_IS_REFERENCE=1", "-fno-tree-vectorize"];
  for (const source of reference) units.push({ ...source, group: "reference", flags: referenceFlags });
  for (const isa of isas) {
    for (const source of cpu.filter((source) => !source.once)) {
      units.push({ ...source, group: isa, flags: [`-DREMORA_ISA=${isa}`, ...arch[isa]] });
    }
  }
  const table = cpu.find((source) => source.name === "table");
  if (reference.length > 0 && !referenceHasTable) units.push({ ...table, group: "reference", flags: referenceFlags });
  return units.map((unit) => ({ ...unit, object: join(build.objectDir, `${unit.group}-${unit.name}.o`) }));
}

function unitHash(flags, compiler, dependencies) {
  const hash = createHash("sha256").update(compiler.version).update(flags.join("\0"));
  for (const path of dependencies) hash.update(path).update(existsSync(path) ? readFileSync(path) : "missing");
  return hash.digest("hex");
}

/** The prerequisites named in a compiler's .d file, system headers left out. */
function readDependencies(path) {
  const text = readFileSync(path, "utf8").replaceAll("\\\n", " ");
  return text
    .slice(text.indexOf(": ") + 2)
    .split(/\s+/)
    .filter(Boolean);
}

function compile(unit, build) {
  const { compiler } = build;
  const pic = build.platform === "win32" ? [] : ["-fPIC"];
  const [command, ...words] = compiler.words;
  const flags = [...words, ...COMMON_FLAGS, ...pic, ...unit.flags, `-I${build.objectDir}`];
  const stamp = `${unit.object}.json`;
  if (existsSync(unit.object) && existsSync(stamp)) {
    const kept = JSON.parse(readFileSync(stamp, "utf8"));
    if (kept.hash === unitHash(flags, compiler, kept.dependencies)) return null;
  }
  return new Promise((done, failed) => {
    const dependencyFile = `${unit.object}.d`;
    const temporary = `${unit.object}.${process.pid}.tmp.o`;
    execFile(
      command,
      [...flags, "-MMD", "-MF", dependencyFile, "-c", unit.path, "-o", temporary],
      { maxBuffer: 1 << 26 },
      (error, _, log) => {
        if (log) process.stderr.write(log);
        if (error) return failed(new Error(`compiling ${unit.path} for ${unit.group} failed`));
        renameSync(temporary, unit.object);
        const dependencies = readDependencies(dependencyFile);
        writeFileSync(stamp, JSON.stringify({ hash: unitHash(flags, compiler, dependencies), dependencies }));
        done();
      },
    );
  });
}

async function compileAll(units, build) {
  const queue = [...units].sort((a, b) => b.text.length - a.text.length); // long ones first: the tail stays short
  const jobs = Number(process.env.REMORA_BUILD_JOBS) || availableParallelism();
  let compiled = 0;
  await Promise.all(
    Array.from({ length: jobs }, async () => {
      for (let unit = queue.shift(); unit; unit = queue.shift()) {
        const work = compile(unit, build);
        if (work === null) continue;
        await work;
        compiled++;
      }
    }),
  );
  return compiled;
}

/**
 * A weak function outside its ISA's namespace (an inline helper of a shared header, a std template) exists once per ISA and the linker keeps
 * one: if it keeps AVX-512's, an older processor stops at an illegal instruction. Baseline objects are linked first, so this is a second guard.
 */
function findSharedCode(units) {
  const found = new Map();
  for (const unit of units.filter((unit) => !["once", "reference", "scalar"].includes(unit.group))) {
    let symbols;
    try {
      symbols = execFileSync("nm", ["-C", "--defined-only", unit.object], { encoding: "utf8", stdio: ["ignore", "pipe", "ignore"] });
    } catch {
      return found; // no binutils: the link order still protects
    }
    for (const line of symbols.split("\n")) {
      const match = /^\S+ [Ww] (.*)$/.exec(line);
      if (match && !match[1].includes(`remora::${unit.group}::`)) found.set(match[1], unit.name);
    }
  }
  return found;
}

function link(units, build, library) {
  const { compiler } = build;
  const order = ["once", "scalar", "reference"];
  const rank = (unit) => (order.includes(unit.group) ? order.indexOf(unit.group) : order.length);
  const objects = [...units].sort((a, b) => rank(a) - rank(b)).map((unit) => unit.object);
  const isGcc = /g\+\+|gcc|GCC/.test(compiler.version.split("\n")[0]) && !/clang/i.test(compiler.version);
  // exclude-libs: what comes from the compiler's own archives stays inside
  const staticRuntime = isGcc ? ["-static-libstdc++", "-static-libgcc", "-Wl,--exclude-libs,ALL"] : [];
  const platform = {
    // nodelete: worker threads may outlive a dlclose
    linux: ["-shared", "-Wl,-z,nodelete", "-Wl,--gc-sections", "-Wl,-soname,libremora.so"],
    darwin: ["-dynamiclib", "-Wl,-dead_strip", "-Wl,-install_name,@rpath/libremora.dylib"],
    win32: build.linker ? ["-shared"] : ["-shared", "-static"],
  }[build.platform];
  const temporary = `${library}.${process.pid}.tmp`;
  const [command, ...words] = build.linker ?? compiler.words;
  const flags = [...platform, "-pthread", ...staticRuntime, ...build.linkFlags];
  execFileSync(command, [...words, ...flags, "-o", temporary, ...objects], { stdio: "inherit" });
  renameSync(temporary, library); // atomic: a process that has the old library mapped keeps it
}

/** Compiles and links what changed; returns the path of the library. `options` are fields of Build, for a cross compiler. */
export async function buildKernels({ log = (line) => process.stderr.write(`${line}\n`), ...options } = {}) {
  const build = resolveBuild(options);
  mkdirSync(build.objectDir, { recursive: true });
  const isas = Object.keys(ISA_FLAGS[build.arch]);
  const cpu = sourcesIn("cpu");
  const reference = sourcesIn("reference");
  const referenceHasTable = reference.some((source) => /kernels_reference\(\)\s*\{/.test(source.text));
  writeFamilies(build, isas, cpu, reference, referenceHasTable);
  const started = Date.now();
  const units = planUnits(build, isas, cpu, reference, referenceHasTable);
  const compiled = await compileAll(units, build);
  const library = join(build.buildDir, libraryName(build.platform));
  const newest = Math.max(...units.map((unit) => statSync(unit.object).mtimeMs));
  if (compiled > 0 || !existsSync(library) || statSync(library).mtimeMs < newest) {
    for (const [symbol, file] of findSharedCode(units)) log(`warning: ${file}.cpp shares code between instruction sets: ${symbol}`);
    link(units, build, library);
  }
  log(`${library}: ${units.length} objects, ${compiled} compiled in ${((Date.now() - started) / 1000).toFixed(1)} s`);
  return library;
}

if (process.argv[1] && resolve(process.argv[1]) === fileURLToPath(import.meta.url)) {
  buildKernels().catch((error) => {
    process.stderr.write(`${error.message}\n`);
    process.exitCode = 1;
  });
}
