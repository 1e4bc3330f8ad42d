/** What a user of the package gets: everything that runs, nothing that only tests. */
import { execFileSync } from "node:child_process";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";

test("the package holds the program, its native libraries and its model, and no tests", () => {
  const cwd = fileURLToPath(new URL("..", import.meta.url));
  const out = execFileSync("npm", ["pack", "--dry-run", "--json", "--ignore-scripts"], { cwd, encoding: "utf8", maxBuffer: 1 << 26 });
  const [{ files }] = JSON.parse(out) as [{ files: { path: string }[] }];
  const paths = files.map(({ path }) => path);
  const needed = ["dist/cli/main.js", "dist/index.js", "models/remora-tiny/README.md", "examples/translate/train.jsonl"];
  const libraries = [
    "prebuilds/linux-x64/libremora.so",
    "prebuilds/linux-x64/stamp",
    "prebuilds/cuda/images.json",
    "prebuilds/cuda/nf4.fatbin",
  ];
  expect(paths).toEqual(expect.arrayContaining([...needed, ...libraries]));
  expect(paths.some((path) => path.endsWith(".gguf"))).toBe(true);
  expect(paths.filter((path) => /\.test\.|^studio\/testing/.test(path))).toEqual([]);
});
