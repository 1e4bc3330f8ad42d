import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, it } from "vitest";
import * as native from "./bindings.generated.ts";
import { packageRoot } from "./find-library.ts";

it("are those of remora.h as it is now", () => {
  const result = spawnSync(process.execPath, [join(packageRoot(), "scripts", "generate-bindings.mjs"), "--check"], { encoding: "utf8" });
  expect(result.stderr).toBe("");
  expect(result.status).toBe(0);
});

it("cover every function of the header, pointers as addresses and 64-bit sizes whole", () => {
  const header = readFileSync(join(packageRoot(), "kernels", "include", "remora.h"), "utf8");
  const names = [...header.matchAll(/^REMORA_API .*?(remora_\w+)\(/gm)].map((match) => match[1]);
  expect(Object.keys(native.DECLARATIONS)).toEqual(names);
  expect(names.length).toBeGreaterThan(45);
  expect(native.DECLARATIONS.remora_sum).toBe("int32_t remora_sum(void *ctx, void *x, void *out, int64_t count)");
  expect(native.DECLARATIONS.remora_file_map).toBe("int32_t remora_file_map(const char *path, void *address, void *bytes)");
  expect(native.Q6_K).toBe(39);
});
