/** The last step of a pull: links from a snapshot's folder to blobs, and the reference that says which commit a branch stands at. */
import { randomUUID } from "node:crypto";
import { copyFile, link, mkdir, readlink, rename, rm, stat, symlink, writeFile } from "node:fs/promises";
import { dirname, join, relative } from "node:path";

/** How a link is made; where the file system has no symbolic links (Windows without its developer mode) a hard link or a copy takes its place. */
export type MakeLink = (target: string, path: string) => Promise<void>;

/** Puts `blob` at `path`, whatever is there. A link that is right already is left alone. */
export async function placeFile(blob: string, path: string, makeLink: MakeLink = symlink): Promise<void> {
  await mkdir(dirname(path), { recursive: true });
  const target = relative(dirname(path), blob);
  if ((await readlink(path).catch(() => undefined)) === target) return;
  // Made aside and renamed: another process may read or make the same link at this moment.
  const aside = `${path}.${randomUUID().slice(0, 8)}.partial`;
  try {
    await makeLink(target, aside).catch(() => link(blob, aside).catch(() => copyFile(blob, aside)));
    await rename(aside, path);
  } catch (error) {
    await rm(aside, { force: true });
    throw error;
  }
}

/** Only a branch or a tag has a reference; a commit is its own. */
export async function writeReference(repository: string, revision: string, commit: string): Promise<void> {
  if (revision === commit) return;
  const path = join(repository, "refs", revision);
  await mkdir(dirname(path), { recursive: true });
  const aside = `${path}.${randomUUID().slice(0, 8)}.tmp`;
  await writeFile(aside, commit);
  await rename(aside, path);
}

/** True when the path leads to a file of this size: by a link, or as a file of its own. */
export async function isFileOfSize(path: string, size: number): Promise<boolean> {
  const found = await stat(path).catch(() => undefined);
  return found?.isFile() === true && found.size === size;
}
