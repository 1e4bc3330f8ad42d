// Builds the CUDA kernels: each kernels/cuda/<family>.cu becomes one image build/cuda/<family>.fatbin, which cuModuleLoadData takes as it
// is (the driver picks the card's machine code, or compiles the PTX for a newer card). Images are separate so that a change rebuilds one
// file and a program loads only the families it uses; kernels/cuda/kernels.json says which image a kernel is in.
//
//   node scripts/build-cuda.mjs [--prebuilt] [--arch 90a] [--only attention] [--jobs 2] [--force]
//   --prebuilt   into prebuilds/cuda, as it is shipped, when all cards are built
//   --arch   machine code for one card only, no PTX (development); repeatable
// Needs nvcc (`NVCC`, else CUDA_HOME/bin, else PATH). `REMORA_BUILD_DIR` overrides build. Prints registers and spills of every kernel; a
// spill in a kernel that is not listed in MAY_SPILL fails the build.
import { execFile, execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { copyFileSync, existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { cudaSourceStamp } from "../src/backend/source-stamp.mjs";

const root = join(dirname(fileURLToPath(import.meta.url)), "..");
const source = join(root, "kernels", "cuda");
const target = join(process.env.REMORA_BUILD_DIR ?? join(root, "build"), "cuda");

/** Machine code of a release: T4, A100, RTX 30, RTX 40 and L4, H100 and H200; PTX of sm_90 for whatever comes later. */
const RELEASE = ["75", "80", "86", "89", "90a"];
const PTX = "90";
/** Files that hold only wgmma and bulk tensor copies: machine code for sm_90a alone, no PTX (it would not run elsewhere). */
const HOPPER_ONLY = ["attention_hopper", "attention_hopper_one_pass", "decoder_walk"];
/**
 * Kernels that may spill, by name and card: head size 256 keeps 128 output and 128 gradient values a thread (a few bytes go to memory); the
 * row kernels save registers around a 64-bit division, once; sm_75 needs two instructions and more registers for each matrix step; one norm keeps
 * two addresses in memory for sm_80, once a row; the streaming products of few rows keep loop bounds there, all on cards before sm_90, the dense ones
 * on sm_90 too (measured: as fast as a deeper pipeline that keeps none); the product of one row keeps 4 bytes on sm_75, whose shared memory is too
 * small for it to run there at all; LoRA's backward of 64 ranks keeps 8 bytes on sm_90a; the product of 64 rows keeps 20 to 30 addresses of its copies in
 * memory, read once for 32,768 codes.
 * A one-walk attention backward in f16 keeps 8 bytes.
 */
const MAY_SPILL = [
  /^attention_.*_mma_d256_/,
  /^cache_write_/,
  /^attention_.*_rows_/,
  /^attention_.*_mma_.* sm_75$/,
  /^rms_norm_backward_block_per_row_bf16 sm_80$/,
  /^linear_stream_.* sm_(75|80|86|89)$/,
  /^linear_stream_dense_.* sm_90a$/,
  /^linear_vector_nf4_rows1_f16 sm_75$/,
  /^lora_backward_tiles4_.* sm_90a$/,
  /^linear_rows_nf4_rows64_/,
  /^attention_backward_one_pass_hopper_d128_f16 /,
];

function readArguments(list) {
  const options = { arch: [], only: "", jobs: 2, force: false, prebuilt: false };
  for (let i = 0; i < list.length; i++) {
    if (list[i] === "--arch") options.arch.push(...list[++i].split(","));
    else if (list[i] === "--only") options.only = list[++i];
    else if (list[i] === "--jobs") options.jobs = Number(list[++i]);
    else if (list[i] === "--force") options.force = true;
    else if (list[i] === "--prebuilt") options.prebuilt = true;
    else throw new Error(`build-cuda: unknown argument ${list[i]}; known: --arch, --only, --jobs, --force, --prebuilt`);
  }
  return options;
}

function findNvcc() {
  const known = [process.env.NVCC, process.env.CUDA_HOME && join(process.env.CUDA_HOME, "bin", "nvcc"), "nvcc", "/usr/local/cuda/bin/nvcc"];
  for (const path of known.filter(Boolean)) {
    try {
      const version = execFileSync(path, ["--version"], { encoding: "utf8" }).match(/release ([\d.]+)/)?.[1];
      return { path, version };
    } catch {}
  }
  throw new Error(
    "build-cuda: no nvcc found. Looked at NVCC, CUDA_HOME/bin and the PATH. Install the CUDA toolkit 13, or use the prebuilt images.",
  );
}

function targets(family, arch) {
  const wanted = arch.length ? arch : HOPPER_ONLY.includes(family) ? ["90a"] : RELEASE;
  const flags = wanted.map((name) => `-gencode=arch=compute_${name},code=sm_${name}`);
  if (!arch.length && !HOPPER_ONLY.includes(family)) flags.push(`-gencode=arch=compute_${PTX},code=compute_${PTX}`);
  return flags;
}

/** Registers and spills by kernel and card from ptxas -v. */
function readReport(text) {
  const rows = [];
  let row;
  for (const line of text.split("\n")) {
    const entry = line.match(/Compiling entry function '(\w+)' for '(\w+)'/);
    if (entry) {
      row = { kernel: entry[1], arch: entry[2], registers: 0, spill: 0, shared: 0 };
      rows.push(row);
    }
    const spill = line.match(/(\d+) bytes spill stores, (\d+) bytes spill loads/);
    if (spill && row) row.spill = Number(spill[1]) + Number(spill[2]);
    const used = line.match(/Used (\d+) registers/);
    if (used && row) row.registers = Number(used[1]);
    const shared = line.match(/(\d+) bytes smem/);
    if (shared && row) row.shared = Number(shared[1]);
  }
  return rows;
}

async function buildFamily(nvcc, family, options) {
  const flags = [...targets(family, options.arch), "-fatbin", "-O3", "-std=c++17", "-Xptxas", "-v", "--compress-mode=size"];
  const input = join(source, `${family}.cu`);
  const headers = readdirSync(source)
    .filter((name) => name.endsWith(".cuh"))
    .sort();
  const hash = createHash("sha256")
    .update(flags.join(" "))
    .update(nvcc.version ?? "");
  for (const file of [input, ...headers.map((name) => join(source, name))]) hash.update(readFileSync(file));
  const stamp = hash.digest("hex");
  const output = join(target, `${family}.fatbin`);
  const record = join(target, `${family}.json`);
  if (!options.force && existsSync(output) && existsSync(record)) {
    const known = JSON.parse(readFileSync(record, "utf8"));
    if (known.stamp === stamp) return { family, rows: known.rows, seconds: 0 };
  }
  const start = Date.now();
  const { stderr, stdout } = await promisify(execFile)(nvcc.path, [...flags, input, "-o", `${output}.new`], { maxBuffer: 1 << 28 });
  renameSync(`${output}.new`, output);
  const rows = readReport(`${stdout}\n${stderr}`);
  writeFileSync(record, JSON.stringify({ stamp, rows }));
  return { family, rows, seconds: (Date.now() - start) / 1000 };
}

const options = readArguments(process.argv.slice(2));
const nvcc = findNvcc();
mkdirSync(target, { recursive: true });
const families = readdirSync(source)
  .filter((name) => name.endsWith(".cu"))
  .map((name) => name.slice(0, -3))
  .filter((name) => name.includes(options.only))
  .sort();
if (!options.only) {
  for (const name of readdirSync(target)) if (!families.includes(name.replace(/\.(fatbin|json)$/, ""))) rmSync(join(target, name));
}
const results = [];
const queue = [...families];
await Promise.all(
  Array.from({ length: Math.max(1, options.jobs) }, async () => {
    for (let family = queue.shift(); family; family = queue.shift()) {
      const result = await buildFamily(nvcc, family, options);
      results.push(result);
      console.error(`${result.family}: ${result.seconds ? `${result.seconds.toFixed(1)} s` : "up to date"}`);
    }
  }),
);
results.sort((a, b) => (a.family < b.family ? -1 : 1));
let bad = 0;
console.log("image                kernel                                                        card     registers  shared  spilled bytes");
for (const { family, rows } of results) {
  for (const row of rows) {
    const fails = row.spill > 0 && !MAY_SPILL.some((pattern) => pattern.test(`${row.kernel} ${row.arch}`));
    bad += fails ? 1 : 0;
    console.log(
      `${family.padEnd(20)} ${row.kernel.padEnd(61)} ${row.arch.padEnd(8)} ${String(row.registers).padStart(9)} ${String(row.shared).padStart(7)} ${String(row.spill).padStart(7)}${fails ? "  NOT ALLOWED" : ""}`,
    );
  }
}
const images = {
  nvcc: nvcc.version,
  stamp: cudaSourceStamp(root),
  images: families,
  arch: options.arch.length ? options.arch : [...RELEASE, `ptx ${PTX}`],
};
writeFileSync(join(target, "images.json"), JSON.stringify(images));
if (bad) {
  console.error(`build-cuda: ${bad} kernels spill registers to memory. Make them smaller, or name them in MAY_SPILL with the reason.`);
  process.exit(1);
}
if (options.prebuilt) {
  if (options.only || options.arch.length)
    throw new Error("build-cuda: --prebuilt ships all images for all cards; leave out --only and --arch");
  const shipped = join(root, "prebuilds", "cuda");
  rmSync(shipped, { recursive: true, force: true });
  mkdirSync(shipped, { recursive: true });
  for (const family of families) copyFileSync(join(target, `${family}.fatbin`), join(shipped, `${family}.fatbin`));
  copyFileSync(join(target, "images.json"), join(shipped, "images.json"));
  copyFileSync(join(source, "kernels.json"), join(shipped, "kernels.json"));
}
