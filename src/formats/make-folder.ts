/**
 * Makes a folder for output and those it lies in.
 *
 * Not with Node's `recursive`: where a file system takes no new folders and says ENOENT (Linux's /proc), Node 20 goes back and forth for ever
 * between the folder and its parent, which is there.
 */
import { mkdirSync, statSync } from "node:fs";
import { dirname, resolve } from "node:path";
import { FileAccessError } from "../errors/file-access-error.ts";

/** A folder that is there is fine. @param doing `Writing`, `Preparing` …  @throws FileAccessError */
export function makeFolder(path: string, doing = "Making the folder"): void {
  try {
    make(resolve(path));
  } catch (cause) {
    throw new FileAccessError(doing, path, cause);
  }
}

function make(folder: string): void {
  const found = statSync(folder, { throwIfNoEntry: false });
  if (found?.isDirectory()) return;
  const parent = dirname(folder);
  if (!found && parent !== folder) make(parent);
  try {
    mkdirSync(folder);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === "EEXIST") {
      // Another process may have made it at this moment.
      if (statSync(folder, { throwIfNoEntry: false })?.isDirectory()) return;
      throw systemError("ENOTDIR", error);
    }
    // The parent is there: what is missing is the right to put anything into it.
    throw code === "ENOENT" ? systemError("EROFS", error) : error;
  }
}

/** What the system meant, where it says something else. */
function systemError(code: string, cause: unknown): Error {
  return Object.assign(new Error(code, { cause }), { code });
}
