/**
 * A save as a folder that appears whole or not at all: written aside under `.NAME.partial`, proven there, then renamed. Whatever stood under the name
 * stays untouched until that moment, and is replaced only when the user asked for it.
 */
import { existsSync, readdirSync, realpathSync, statfsSync, statSync } from "node:fs";
import { mkdir, rename, rm } from "node:fs/promises";
import { basename, dirname, join, resolve, sep } from "node:path";
import { counted } from "../errors/counted.ts";
import { DiskSpaceError } from "../errors/disk-space-error.ts";
import { FileAccessError } from "../errors/file-access-error.ts";
import { OutputExistsError } from "../errors/output-exists-error.ts";
import { makeFolder } from "../formats/make-folder.ts";

/** Free bytes of the disk that a folder is on; undefined where that cannot be asked. */
export type FreeBytes = (folder: string) => number | undefined;

/** Names that tell a save (or its beginnings) from a folder that only happens to have the name. */
const OURS = /^(config\.json|adapter_config\.json|save-report\.json|Modelfile|.*\.(gguf|safetensors|partial))$/;

export class SaveFolder {
  readonly path: string;
  readonly partial: string;

  private constructor(path: string) {
    this.path = path;
    this.partial = join(dirname(path), `.${basename(path)}.partial`);
  }

  /** Checks the name; writes nothing. @throws OutputExistsError */
  static check(out: string, force: boolean): SaveFolder {
    const path = resolve(out);
    const found = describeExisting(path);
    if (found !== undefined) {
      if (!force) throw new OutputExistsError(out, found.holds, "Choose another --out, or replace it with --force.");
      if (!found.isSave) throw new OutputExistsError(out, `${found.holds} that are no saved model`, "Choose another --out.");
    }
    return new SaveFolder(path);
  }

  /** What a save is made from must outlive it, --force or not. @throws OutputExistsError when one of `inputs` is this folder or lies in it */
  refuseInputs(inputs: readonly string[]): void {
    const real = (path: string): string => (existsSync(path) ? realpathSync(path) : resolve(path));
    const out = real(this.path);
    for (const input of inputs) {
      if (real(input) !== out && !real(input).startsWith(out + sep)) continue;
      throw new OutputExistsError(this.path, `${input}, which the save is made from`, "Choose another --out.");
    }
  }

  /** Makes the folder aside; leftovers of a save that was killed go. @throws DiskSpaceError · FileAccessError */
  async begin(neededBytes: number, freeBytes: FreeBytes = freeBytesOf): Promise<void> {
    makeFolder(dirname(this.path), "Preparing");
    try {
      await rm(this.partial, { recursive: true, force: true });
      const free = freeBytes(dirname(this.path));
      if (free !== undefined && free < neededBytes) throw new DiskSpaceError(this.path, neededBytes, free);
      await mkdir(this.partial);
    } catch (cause) {
      if (cause instanceof DiskSpaceError) throw cause;
      throw new FileAccessError("Preparing", this.path, cause);
    }
  }

  /** Puts the folder in place. @throws FileAccessError */
  async commit(): Promise<void> {
    const old = join(dirname(this.path), `.${basename(this.path)}.old`);
    try {
      await rm(old, { recursive: true, force: true });
      if (existsSync(this.path)) await rename(this.path, old);
      await rename(this.partial, this.path);
      await rm(old, { recursive: true, force: true });
    } catch (cause) {
      throw new FileAccessError("Writing", this.path, cause);
    }
  }

  /** Never fails: it runs while another error is on its way. */
  async abandon(): Promise<void> {
    await rm(this.partial, { recursive: true, force: true }).catch(() => {});
  }

  files(): { name: string; bytes: number }[] {
    return readdirSync(this.partial)
      .sort()
      .map((name) => ({ name, bytes: statSync(join(this.partial, name)).size }));
  }
}

function describeExisting(path: string): { holds: string; isSave: boolean } | undefined {
  let stat: ReturnType<typeof statSync>;
  try {
    stat = statSync(path, { throwIfNoEntry: false });
  } catch (cause) {
    throw new FileAccessError("Preparing", path, cause);
  }
  if (!stat) return undefined;
  if (!stat.isDirectory()) return { holds: "a file", isSave: false };
  const names = readdirSync(path);
  if (names.length === 0) return undefined;
  return {
    holds: `${counted(names.length, "file")} (${names.slice(0, 3).join(", ")}${names.length > 3 ? " …" : ""})`,
    isSave: names.some((name) => OURS.test(name)),
  };
}

function freeBytesOf(folder: string): number | undefined {
  try {
    const { bavail, bsize } = statfsSync(folder);
    return bavail * bsize;
  } catch {
    return undefined;
  }
}
