/** What was read of the web, one file each, named by the hash of what was asked: pages and lists of results. A file that cannot be read is not there. */
import { createHash, randomUUID } from "node:crypto";
import { readFileSync, renameSync, writeFileSync } from "node:fs";
import { homedir } from "node:os";
import { join } from "node:path";
import { makeFolder } from "../../formats/make-folder.ts";

/** Raised when what stands in the files changes its meaning. */
const VERSION = 1;

export interface Kept<T> {
  readonly value: T;
  /** Milliseconds since 1970. */
  readonly keptAt: number;
}

export class WebCache {
  readonly #folder: string;

  constructor(folder: string) {
    this.#folder = folder;
  }

  get<T>(question: string): Kept<T> | undefined {
    try {
      const file = JSON.parse(readFileSync(this.#pathOf(question), "utf8")) as Kept<T> & { version: number; question: string };
      return file.version === VERSION && file.question === question && typeof file.keptAt === "number" ? file : undefined;
    } catch {
      return undefined;
    }
  }

  set(question: string, value: unknown, keptAt: number): void {
    makeFolder(this.#folder, "Writing");
    const path = this.#pathOf(question);
    const aside = `${path}.${randomUUID()}`;
    writeFileSync(aside, JSON.stringify({ version: VERSION, question, keptAt, value }));
    renameSync(aside, path);
  }

  #pathOf(question: string): string {
    return join(this.#folder, `${createHash("sha256").update(question).digest("hex")}.json`);
  }
}

export const defaultWebCache = (env: Readonly<Record<string, string | undefined>>): string =>
  join(env.XDG_CACHE_HOME || join(homedir(), ".cache"), "remora", "web");
