import { existsSync, mkdtempSync, rmSync, statSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { makeFolder } from "./make-folder.ts";

describe("making a folder", () => {
  let folder: string;
  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), "remora-folder-"));
  });
  afterAll(() => rmSync(folder, { recursive: true }));

  test("with those it lies in; one that is there is fine", () => {
    const path = join(folder, "a", "b", "c");
    makeFolder(path);
    makeFolder(`${path}/`);
    makeFolder(join(folder, "a", "b", "..", "d"));
    expect(statSync(path).isDirectory() && statSync(join(folder, "a", "d")).isDirectory()).toBe(true);
  });

  test("a file in the way is named for what it is", () => {
    const file = join(folder, "file");
    writeFileSync(file, "");
    expect(() => makeFolder(file)).toThrow(`Making the folder ${file}: expected a folder, found a file`);
    expect(() => makeFolder(join(file, "below"), "Writing")).toThrow(`Writing ${join(file, "below")}: expected a folder, found a file`);
    symlinkSync(join(folder, "nowhere"), join(folder, "dangling"));
    expect(() => makeFolder(join(folder, "dangling"))).toThrow(/expected a folder, found a file/);
  });

  test.skipIf(!existsSync("/proc/self"))("where a file system takes no folders, it says so instead of trying for ever", () => {
    for (const path of ["/proc/remora", "/proc/remora/run/checkpoints", "/proc/self/remora"])
      expect(() => makeFolder(path)).toThrow(`Making the folder ${path}: the file system is read-only\n  Choose another folder.`);
  });
});
