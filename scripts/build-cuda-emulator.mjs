// Builds the emulated card: every kernel of kernels/cuda compiled for the emulator, with a driver and a cuBLASLt over it, so that the CUDA
// backend and its device tests run on a computer without a GPU (x86-64 Linux; slowly). Writes build/emulated-cuda/.
//
//   node scripts/build-cuda-emulator.mjs
// The card is an Ampere; REMORA_EMULATED_SM=90 makes it a Hopper, =75 a Turing. REMORA_EMULATED_FP8_BETA=0: no 8-bit product adds to its output.
//   REMORA_BUILD_DIR=build/emulated-cuda REMORA_CUDA_LIBS=build/emulated-cuda/lib REMORA_TEST_DEVICES=cuda:0 npx vitest run src/backend
import { execFile } from "node:child_process";
import { copyFileSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync, symlinkSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";

const root = join(dirname(fileURLToPath(import.meta.url)), "..");
const sources = join(root, "kernels", "cuda");
const emulator = join(root, "kernels", "lab", "emulator");
const target = join(root, "build", "emulated-cuda");
const objects = join(target, "obj");
const TYPES = { ptr: "p", i32: "i", i64: "l", u64: "l", f32: "f", tensormap: "m" };

for (const folder of [objects, join(target, "lib"), join(target, "cuda")]) mkdirSync(folder, { recursive: true });
const table = JSON.parse(readFileSync(join(sources, "kernels.json"), "utf8"));
const { kernels } = table;
const images = [...new Set(kernels.map(({ image }) => image))].sort();

const lines = kernels.map(
  ({ name, threads, params }) =>
    `  {"${name}", reinterpret_cast<void *>(${name}), "${params.map(({ type }) => TYPES[type]).join("")}", ${threads}},`,
);
const header = [
  "// Made by scripts/build-cuda-emulator.mjs.",
  "#pragma once",
  "struct Kernel { const char *name; void *function; const char *types; unsigned threads; };",
  ...kernels.map(({ name }) => `extern "C" void ${name}();`),
  "static const Kernel kernel_list[] = {",
  ...lines,
  "};",
  "",
].join("\n");
const headerPath = join(objects, "kernel_list.h");
if (!existsSync(headerPath) || readFileSync(headerPath, "utf8") !== header) writeFileSync(headerPath, header);

const run = promisify(execFile);
const compiler = process.env.CXX ?? "g++";
const flags = ["-std=c++17", "-O2", "-fPIC", "-fvisibility=hidden", "-DREMORA_EMULATE", "-Wno-unknown-pragmas", "-I", objects];
const headers = [...readdirSync(sources), ...readdirSync(emulator)].filter((name) => /\.(cuh|h)$/.test(name));
const newestHeader = Math.max(
  ...headers.map((name) => statSync(existsSync(join(sources, name)) ? join(sources, name) : join(emulator, name)).mtimeMs),
);

async function compile(input, extra) {
  const object = join(objects, `${input.split("/").at(-1)}.o`);
  const needed = Math.max(statSync(input).mtimeMs, newestHeader, input.endsWith("driver.cpp") ? statSync(headerPath).mtimeMs : 0);
  if (!existsSync(object) || statSync(object).mtimeMs < needed) {
    await run(compiler, [...flags, ...extra, "-c", input, "-o", object]);
    console.error(`compiled ${input.split("/").at(-1)}`);
  }
  return object;
}

const built = [];
for (const image of images) built.push(await compile(join(sources, `${image}.cu`), ["-x", "c++"]));
built.push(await compile(join(emulator, "emulator.cpp"), []), await compile(join(emulator, "driver.cpp"), ["-O3"]));
const library = join(target, "lib", "libcuda.so.1");
await run(compiler, ["-shared", "-o", library, ...built]);
const blas = join(target, "lib", "libcublasLt.so.13");
rmSync(blas, { force: true });
symlinkSync("libcuda.so.1", blas);

for (const image of images) writeFileSync(join(target, "cuda", `${image}.fatbin`), `emulated image ${image}\n`);
writeFileSync(join(target, "cuda", "images.json"), JSON.stringify({ nvcc: "13.0", images, arch: ["emulated"] }));
copyFileSync(join(sources, "kernels.json"), join(target, "cuda", "kernels.json"));
// The reference and the CPU kernels are looked for in the same build folder.
for (const name of ["libremora.so"]) {
  const link = join(target, name);
  rmSync(link, { force: true });
  if (existsSync(join(root, "build", name))) symlinkSync(join("..", name), link);
}
console.error(`the emulated card is in ${target}: ${kernels.length} kernels`);
