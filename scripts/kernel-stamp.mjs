// The stamp of the kernel sources: SHA-256 over the names and contents of every .cpp and .h that is compiled. `prebuilds/*/stamp` holds it, so
// that a library older than its sources is never taken. src/backend/cpu/find-library.ts computes the same; a test compares the two.
import { createHash } from "node:crypto";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";

const SOURCE_FOLDERS = ["kernels/cpu", "kernels/include", "kernels/reference"];

/** null where no sources are shipped. */
export function kernelStamp(root) {
  const hash = createHash("sha256");
  let files = 0;
  for (const folder of SOURCE_FOLDERS) {
    if (!existsSync(join(root, folder))) continue;
    const names = readdirSync(join(root, folder)).filter((name) => /\.(cpp|h)$/.test(name));
    for (const name of names.sort()) {
      hash
        .update(`${folder}/${name}\0`)
        .update(readFileSync(join(root, folder, name)))
        .update("\0");
      files++;
    }
  }
  return files === 0 ? null : hash.digest("hex");
}

/** Folder of this platform's prebuilt library, relative to the root. */
export function prebuildFolder() {
  return `prebuilds/${process.platform}-${process.arch}`;
}

/** True when the prebuilt library was made from exactly these sources. */
export function prebuildIsCurrent(root) {
  const stampFile = join(root, prebuildFolder(), "stamp");
  return existsSync(stampFile) && readFileSync(stampFile, "utf8").trim() === kernelStamp(root);
}
