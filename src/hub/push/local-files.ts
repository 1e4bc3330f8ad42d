/** The files of a folder that are published, with the hashes they are compared by, each computed once. */
import { createReadStream, readdirSync, statSync } from "node:fs";
import { open } from "node:fs/promises";
import { join } from "node:path";
import { FileAccessError } from "../../errors/file-access-error.ts";
import { PushFolderError } from "../../errors/push-folder-error.ts";
import { missingWeights } from "../model-folder.ts";
import { type HashKind, startHash } from "../pull/blob-hash.ts";

/** A folder of more files is not a model; most likely the wrong one was named. */
const MAX_FILES = 20_000;
/** What systems and tools leave behind; never part of a model. */
const LITTER = /(^|\/)(\.|__pycache__(\/|$)|node_modules(\/|$)|Thumbs\.db$|desktop\.ini$)|\.(stale|tmp|swp)$/;
const UNFINISHED = /\.(partial|incomplete)$|(^|\/)\.[^/]+\.partial(\/|$)/;

export class LocalFile {
  /** With `/` between folders. */
  readonly path: string;
  readonly absolutePath: string;
  readonly size: number;
  readonly #hashes = new Map<HashKind, string>();

  constructor(path: string, absolutePath: string, size: number) {
    this.path = path;
    this.absolutePath = absolutePath;
    this.size = size;
  }

  /** @param onBytes receives the length of each piece read */
  async hash(kind: HashKind, onBytes: (bytes: number) => void = () => {}, signal?: AbortSignal): Promise<string> {
    const known = this.#hashes.get(kind);
    if (known) return known;
    const hash = startHash(kind, this.size);
    for await (const chunk of createReadStream(this.absolutePath, { highWaterMark: 1 << 20, signal })) {
      hash.update(chunk as Buffer);
      onBytes((chunk as Buffer).length);
    }
    const digest = hash.digest("hex");
    this.#hashes.set(kind, digest);
    return digest;
  }

  /** The first bytes, by which the Hub tells text from binary. */
  async head(bytes: number): Promise<Buffer> {
    const handle = await open(this.absolutePath);
    try {
      const buffer = Buffer.alloc(Math.min(bytes, this.size));
      await handle.read(buffer, 0, buffer.length, 0);
      return buffer;
    } finally {
      await handle.close();
    }
  }
}

/** @throws PushFolderError for what is not whole · FileAccessError */
export function listLocalFiles(folder: string): LocalFile[] {
  const names = readNames(folder);
  const unfinished = names.find((name) => UNFINISHED.test(name));
  if (unfinished) {
    throw new PushFolderError(
      folder,
      `it is not finished: ${unfinished} is still being written, or its writing was interrupted`,
      "Finish that first, or remove the file.",
    );
  }
  const files = names
    .filter((name) => !LITTER.test(name))
    .flatMap((name) => {
      const path = join(folder, name);
      const stat = statSync(path, { throwIfNoEntry: false });
      return stat?.isFile() ? [new LocalFile(name, path, stat.size)] : [];
    });
  if (files.length === 0) throw new PushFolderError(folder, "it holds no files", "Name the folder that holds the model or the adapter.");
  if (files.length > MAX_FILES)
    throw new PushFolderError(folder, `it holds ${files.length} files, more than ${MAX_FILES}`, "Name the model's own folder.");
  if (files.some(({ path }) => path === "model.safetensors.index.json")) {
    const missing = missingWeights(folder);
    if (missing) throw new PushFolderError(folder, `it is not whole: ${missing}`, "Save the model again, then publish it.");
  }
  return files.sort((a, b) => (a.path < b.path ? -1 : 1));
}

function readNames(folder: string): string[] {
  try {
    return readdirSync(folder, { recursive: true, encoding: "utf8" }).map((name) => name.replaceAll("\\", "/"));
  } catch (cause) {
    throw new FileAccessError("Reading", folder, cause);
  }
}
