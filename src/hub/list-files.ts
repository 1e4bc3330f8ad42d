/** All files below a folder as paths with `/`, links followed, sorted. */
import { existsSync, readdirSync, statSync } from "node:fs";
import { join } from "node:path";

export function listFiles(folder: string): string[] {
  if (!existsSync(folder)) return [];
  return readdirSync(folder, { recursive: true, encoding: "utf8" })
    .map((path) => path.replaceAll("\\", "/"))
    .filter((path) => statSync(join(folder, path), { throwIfNoEntry: false })?.isFile() === true)
    .sort();
}
