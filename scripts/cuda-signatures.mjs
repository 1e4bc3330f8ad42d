// Reads the CUDA sources and writes kernels/cuda/kernels.json: for each kernel its image (the .cu file it is in), block size, launch note,
// parameters as the launcher must pack them, and "early" where it waits by itself for the kernel ahead of it (common.cuh), so that it may be launched
// before that one has ended. `--check` writes nothing and fails when the file is stale.
//
// Parameter types: ptr (8 bytes), i32, i64, u64, f32, tensormap (128 bytes, aligned to 64). Each parameter is aligned to its own size.
// Needs g++ or clang++ (`CXX`), only to expand macros.
import { execFileSync } from "node:child_process";
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const folder = join(dirname(fileURLToPath(import.meta.url)), "..", "kernels", "cuda");
const SCALARS = { int: "i32", int32_t: "i32", uint32_t: "i32", int64_t: "i64", uint64_t: "u64", float: "f32", TensorMap: "tensormap" };

function parameterType(text, kernel) {
  if (text.includes("*")) return "ptr";
  const words = text
    .replace(/\b(const|__restrict__|__grid_constant__)\b/g, "")
    .trim()
    .split(/\s+/);
  const type = SCALARS[words[0]];
  if (!type)
    throw new Error(`${kernel}: cannot pack a parameter of type "${text}"; known are pointers and ${Object.keys(SCALARS).join(", ")}`);
  return type;
}

/** A block size as written: a number, or a product of numbers and of the file's own constants. */
function blockSize(text, source, kernel) {
  return text.split("*").reduce((product, factor) => {
    const word = factor.trim();
    const value = /^\d+$/.test(word) ? word : source.match(new RegExp(`\\bconstexpr int [^;]*?\\b${word} = (\\d+)`))?.[1];
    if (!value) throw new Error(`${kernel}: cannot read its block size "${text.trim()}"`);
    return product * Number(value);
  }, 1);
}

/** Where kernels are written in the raw source, macro pastes as wildcards, each with the launch note above it. */
function launchNotes(source) {
  const notes = [];
  const lines = source.split("\n").map((line) => line.replace(/\s*\\$/, ""));
  let note = "";
  let open = false;
  for (let i = 0; i < lines.length; i++) {
    const line = lines[i].trim();
    const comment = line.match(/^(?:\/\/|\/\*)\s?(.*?)(?:\s*\*\/)?$/);
    if (comment) {
      const at = comment[1].indexOf("launch");
      if (at >= 0 && /launch(:| \()/.test(comment[1])) {
        note = comment[1].slice(at).replace(/^launch:?\s*/, "");
        open = true;
      } else if (open) {
        note += ` ${comment[1]}`;
      }
      continue;
    }
    open = false;
    const declaration = line.includes('extern "C"') ? `${line} ${lines[i + 1] ?? ""}` : "";
    const name = declaration.match(/launch_bounds__\([^)]*\)\s+([\w#]+)\(/);
    if (name) notes.push({ pattern: new RegExp(`^${name[1].replace(/##\w+(##)?/g, ".+").replace(/^\.\+/, ".+")}$`), note });
  }
  return notes;
}

/** The text between the first brace from `start` on and the one that closes it. */
function bodyFrom(text, start) {
  const open = text.indexOf("{", start);
  let [at, depth] = [open + 1, 1];
  for (; depth > 0; at++) depth += text[at] === "{" ? 1 : text[at] === "}" ? -1 : 0;
  return text.slice(open + 1, at - 1).trim();
}

/** Whether every thread of the kernel waits: first of all, or somewhere in the one function that it calls first. */
export function waitsByItself(body, source, kernel) {
  const own = body.indexOf("follow_previous_kernel()");
  if (own > 0) throw new Error(`${kernel}: follow_previous_kernel() must be its first statement`);
  if (own === 0) return true;
  const called = body.match(/^(\w+)</)?.[1];
  const definition = called ? source.search(new RegExp(`\\bvoid ${called}\\(`)) : -1;
  return definition >= 0 && bodyFrom(source, definition).includes("wait_for_previous_kernel();");
}

export function readSignatures() {
  const kernels = [];
  for (const file of readdirSync(folder)
    .filter((name) => name.endsWith(".cu"))
    .sort()) {
    const path = join(folder, file);
    const expanded = execFileSync(
      process.env.CXX ?? "g++",
      ["-x", "c++", "-std=c++17", "-E", "-P", "-DREMORA_EMULATE", "-DREMORA_SIGNATURES", path],
      {
        encoding: "utf8",
        maxBuffer: 1 << 28,
      },
    );
    const notes = launchNotes(readFileSync(path, "utf8"));
    const definitions = [...expanded.matchAll(/extern "C"\s+REMORA_GLOBAL\s+void\s*\(([^()]*)\)\s*(\w+)\(([^)]*)\)/g)];
    const written = [...expanded.matchAll(/extern "C"\s+REMORA_GLOBAL/g)].length;
    if (written !== definitions.length) throw new Error(`${file}: ${written} kernels, of which ${definitions.length} could be read`);
    for (const { 1: threads, 2: name, 3: list, index } of definitions) {
      kernels.push({
        name,
        image: file.replace(/\.cu$/, ""),
        threads: blockSize(threads, expanded, name),
        ...(waitsByItself(bodyFrom(expanded, index), expanded, name) ? { early: true } : {}),
        launch: notes.findLast((entry) => entry.pattern.test(name))?.note ?? "",
        params: list
          .split(",")
          .map((text) => text.trim())
          .filter(Boolean)
          .map((text) => ({ name: text.match(/(\w+)$/)[1], type: parameterType(text, name) })),
      });
    }
  }
  const twice = kernels.find((kernel, i) => kernels.findIndex((other) => other.name === kernel.name) !== i);
  if (twice) throw new Error(`two kernels are called ${twice.name}`);
  return kernels;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const kernels = readSignatures();
  const rows = kernels.map((kernel) => `    ${JSON.stringify(kernel)}`);
  const text = `{\n  "parameterBytes": {"ptr": 8, "i32": 4, "i64": 8, "u64": 8, "f32": 4, "tensormap": 128},\n  "kernels": [\n${rows.join(",\n")}\n  ]\n}\n`;
  const target = join(folder, "kernels.json");
  if (process.argv.includes("--check")) {
    const found = readFileSync(target, "utf8");
    if (found !== text) {
      console.error("kernels/cuda/kernels.json is stale: run `node scripts/cuda-signatures.mjs` and commit the result.");
      process.exit(1);
    }
    console.error(`kernels.json agrees with the sources: ${kernels.length} kernels`);
  } else {
    writeFileSync(target, text);
    const silent = kernels.filter((kernel) => !kernel.launch || !kernel.threads);
    console.error(
      `kernels.json: ${kernels.length} kernels${silent.length ? `; no launch note or block size: ${silent.map((k) => k.name).join(" ")}` : ""}`,
    );
  }
}
