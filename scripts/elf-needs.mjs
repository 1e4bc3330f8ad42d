// What a Linux library asks of the machine that loads it, read from its ELF tables: the libraries it names (DT_NEEDED) and the symbol versions it
// wants of them (.gnu.version_r). Used to prove that the prebuilt library runs on an old glibc; 64-bit little-endian files only.
import { readFileSync } from "node:fs";

const DT_NEEDED = 1;
const SHT_DYNAMIC = 6;
const SHT_GNU_VERNEED = 0x6ffffffe;

/** @returns {{ libraries: string[], versions: string[] }} for instance ["libc.so.6"] and ["GLIBC_2.17", "GLIBC_2.2.5"] (sorted) */
export function elfNeeds(path) {
  const file = readFileSync(path);
  if (file.readUInt32BE(0) !== 0x7f454c46 || file[4] !== 2 || file[5] !== 1)
    throw new Error(`${path}: not a 64-bit little-endian ELF file`);
  const sections = Array.from({ length: file.readUInt16LE(0x3c) }, (_, index) => {
    const at = Number(file.readBigUInt64LE(0x28)) + index * file.readUInt16LE(0x3a);
    const number = (offset) => Number(file.readBigUInt64LE(at + offset));
    return { type: file.readUInt32LE(at + 4), offset: number(0x18), size: number(0x20), link: file.readUInt32LE(at + 0x28) };
  });
  const textOf = (section) => (index) => {
    const start = sections[section.link].offset + index;
    return file.toString("latin1", start, file.indexOf(0, start));
  };

  const libraries = [];
  const versions = new Set();
  for (const section of sections) {
    const text = textOf(section);
    if (section.type === SHT_DYNAMIC) {
      for (let at = section.offset; at < section.offset + section.size; at += 16) {
        if (file.readBigUInt64LE(at) === BigInt(DT_NEEDED)) libraries.push(text(Number(file.readBigUInt64LE(at + 8))));
      }
    } else if (section.type === SHT_GNU_VERNEED && section.size > 0) {
      for (let at = section.offset, next = 1; next !== 0; at += next) {
        let entry = at + file.readUInt32LE(at + 8);
        for (let left = file.readUInt16LE(at + 2); left > 0; left--) {
          versions.add(text(file.readUInt32LE(entry + 8)));
          entry += file.readUInt32LE(entry + 12);
        }
        next = file.readUInt32LE(at + 12);
      }
    }
  }
  return { libraries, versions: [...versions].sort(byVersion) };
}

/** The newest glibc that the versions name, as [2, 17]; [0, 0] when none is named. */
export function newestGlibc(versions) {
  const named = versions.map((version) => /^GLIBC_(\d+)\.(\d+)/.exec(version)).filter(Boolean);
  return named.map((match) => [Number(match[1]), Number(match[2])]).reduce((a, b) => (compare(a, b) > 0 ? a : b), [0, 0]);
}

export const compare = (a, b) => a[0] - b[0] || a[1] - b[1];

function byVersion(a, b) {
  return a.localeCompare(b, "en", { numeric: true });
}
