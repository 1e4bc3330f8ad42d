// This platform's prebuilt library, and whether it was made from the kernel sources beside it. `prebuilds/*/stamp` holds their stamp.
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { cpuSourceStamp } from "../src/backend/source-stamp.mjs";

/** Folder of this platform's prebuilt library, relative to the root. */
export function prebuildFolder() {
  return `prebuilds/${process.platform}-${process.arch}`;
}

/** True when the prebuilt library was made from exactly these sources. */
export function prebuildIsCurrent(root) {
  const stampFile = join(root, prebuildFolder(), "stamp");
  return existsSync(stampFile) && readFileSync(stampFile, "utf8").trim() === cpuSourceStamp(root);
}
