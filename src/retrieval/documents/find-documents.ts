/**
 * The documents that files and folders name. A document's name is its path from the working folder (or the whole path where it lies elsewhere),
 * with `/`, so that an index means the same on every system.
 */
import { readdirSync, statSync } from "node:fs";
import { extname, isAbsolute, relative, resolve, sep } from "node:path";
import { DocumentError } from "../../errors/document-error.ts";
import { FileAccessError } from "../../errors/file-access-error.ts";
import { DOCUMENT_ENDINGS, isDocument } from "./read-document.ts";

export interface FoundDocuments {
  /** By name, sorted: path on disk. */
  readonly documents: ReadonlyMap<string, string>;
  /** Names of the folders and files that were asked for: documents below them that are gone leave the index. */
  readonly roots: readonly string[];
  /** Files of other kinds that lay in the folders, by ending. */
  readonly skipped: ReadonlyMap<string, number>;
}

/** @param exclude folders that are not looked into: the index itself  @throws FileAccessError · DocumentError when there is nothing */
export function findDocuments(paths: readonly string[], exclude: readonly string[] = []): FoundDocuments {
  const found = new Map<string, string>();
  const skipped = new Map<string, number>();
  const excluded = new Set(exclude.map((path) => resolve(path)));
  const walk = (folder: string): void => {
    if (excluded.has(folder)) return;
    for (const entry of readdirSync(folder, { withFileTypes: true })) {
      if (entry.name.startsWith(".") || entry.name === "node_modules") continue;
      const path = resolve(folder, entry.name);
      // Links are followed to files only: a link to a folder may lead round in a circle.
      const isFile = entry.isFile() || (entry.isSymbolicLink() && statSync(path, { throwIfNoEntry: false })?.isFile() === true);
      if (entry.isDirectory()) walk(path);
      else if (isFile && isDocument(path)) found.set(documentName(path), path);
      else if (isFile)
        skipped.set(extname(path).toLowerCase() || "no ending", (skipped.get(extname(path).toLowerCase() || "no ending") ?? 0) + 1);
    }
  };
  for (const path of paths) {
    let isFolder: boolean;
    try {
      isFolder = statSync(path).isDirectory();
      if (isFolder) walk(resolve(path));
    } catch (cause) {
      throw new FileAccessError("Looking for documents in", path, cause);
    }
    if (isFolder) continue;
    if (!isDocument(path))
      throw new DocumentError(path, `expected a name ending in ${DOCUMENT_ENDINGS.join(", ")}`, "Convert the file, or name another.");
    found.set(documentName(resolve(path)), resolve(path));
  }
  const roots = paths.map((path) => documentName(resolve(path)));
  return { documents: new Map([...found].sort(([a], [b]) => (a < b ? -1 : 1))), roots, skipped };
}

function documentName(path: string): string {
  const fromHere = relative(process.cwd(), path);
  const name = fromHere.startsWith("..") || isAbsolute(fromHere) ? path : fromHere;
  return (name === "" ? "." : name).split(sep).join("/");
}

/** True when the document lies below the root, or is it. */
export const liesUnder = (name: string, root: string): boolean =>
  root === "." ? !name.startsWith("/") && !/^[A-Za-z]:/.test(name) : name === root || name.startsWith(`${root}/`);
