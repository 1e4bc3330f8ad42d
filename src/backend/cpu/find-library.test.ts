import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, it } from "vitest";
import { NativeLibraryError } from "../../errors/native-library-error.ts";
import { cpuSourceStamp } from "../source-stamp.mjs";
import { findLibrary } from "./find-library.ts";
import { openLibrary } from "./native-library.ts";

let root: string;
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), "remora-find-"));
  write("package.json", "{}");
});
afterEach(() => rmSync(root, { recursive: true }));

function write(path: string, text = ""): string {
  mkdirSync(join(root, path, ".."), { recursive: true });
  writeFileSync(join(root, path), text);
  return join(root, path);
}

const linux = () => ({ root, platform: "linux" as const, arch: "x64", buildDirectory: "build" });

it("takes the built library first, by the platform's name", () => {
  write("prebuilds/linux-x64/libremora.so");
  const built = write("build/libremora.so");
  expect(findLibrary(linux())).toBe(built);
  expect(findLibrary({ ...linux(), platform: "darwin", buildDirectory: join(root, write("build/libremora.dylib") && "build") })).toMatch(
    /dylib$/,
  );
});

it("takes a prebuilt library whose stamp is the hash of the sources, or without sources to compare", () => {
  const prebuilt = write("prebuilds/linux-x64/libremora.so");
  expect(findLibrary(linux())).toBe(prebuilt);
  write("kernels/cpu/norm.cpp", "one");
  write("kernels/include/remora.h", "two");
  write("prebuilds/linux-x64/stamp", `${cpuSourceStamp(root)}\n`);
  expect(findLibrary(linux())).toBe(prebuilt);
  write("kernels/cpu/norm.cpp", "changed");
  expect(() => findLibrary(linux())).toThrowErrorMatchingInlineSnapshot(`
    [NativeLibraryError: Opening the CPU kernels: libremora.so for linux-x64 is not built, and the one in prebuilds/ is older than the kernel sources
      Run \`npm run build:kernels\` (needs g++ or clang++).]
  `);
});

it("takes the platform package last", () => {
  write("node_modules/@remora/kernels-linux-x64/package.json", '{"name":"@remora/kernels-linux-x64"}');
  const installed = write("node_modules/@remora/kernels-linux-x64/libremora.so");
  expect(findLibrary(linux())).toBe(installed);
});

it("says in a line what is missing and where it looked", () => {
  let error: unknown;
  try {
    findLibrary({ ...linux(), arch: "riscv64" });
  } catch (caught) {
    error = caught;
  }
  expect(error).toBeInstanceOf(NativeLibraryError);
  expect((error as NativeLibraryError).searched).toEqual([
    join(root, "build/libremora.so"),
    join(root, "prebuilds/linux-riscv64/libremora.so"),
    "@remora/kernels-linux-riscv64",
  ]);
  expect((error as Error).message).toMatchInlineSnapshot(`
    "Opening the CPU kernels: libremora.so for linux-riscv64 is missing
      Run \`npm run build:kernels\` (needs g++ or clang++)."
  `);
});

it("does not open what is not our library", () => {
  const path = write("build/libremora.so", "not a library");
  expect(() => openLibrary(path)).toThrow(/cannot be loaded/);
});
