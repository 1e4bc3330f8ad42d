/**
 * What an interrupted upload in parts needs to go on in another process: its signed addresses and the parts that arrived. The protocol cannot
 * list parts, so this is kept here, under HF_HOME, readable by the user alone (the addresses allow writing this one object), until it is done.
 */
import { createHash } from "node:crypto";
import { chmod, mkdir, readFile, rename, rm, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import type { LargeAction } from "./large-batch.ts";

interface NotedUpload {
  readonly action: LargeAction;
  /** Milliseconds since 1970. */
  readonly expiresAt: number;
  /** ETag by part, from 1. */
  readonly parts: Record<string, string>;
}

/** An address that ends sooner is not worth beginning with. */
const LEAST_REMAINING_MS = 60_000;
/** When the server does not say. */
const ASSUMED_LIFE_MS = 3_600_000;

export class UploadNotes {
  readonly #path: string;
  #noted: NotedUpload;
  #writing: Promise<void> = Promise.resolve();

  private constructor(path: string, noted: NotedUpload) {
    this.#path = path;
    this.#noted = noted;
  }

  /** Goes on with an earlier upload of this object when its addresses still work, else begins with the action given. */
  static async open(folder: string, place: string, oid: string, action: LargeAction): Promise<UploadNotes> {
    const name = `${createHash("sha256").update(`${place}\n${oid}`).digest("hex").slice(0, 40)}.json`;
    const path = join(folder, name);
    const earlier = parse(await readFile(path, "utf8").catch(() => ""));
    if (earlier && earlier.expiresAt - Date.now() > LEAST_REMAINING_MS) return new UploadNotes(path, earlier);
    return new UploadNotes(path, { action, expiresAt: expiryOf(action), parts: {} });
  }

  get action(): LargeAction {
    return this.#noted.action;
  }

  etag(part: number): string | undefined {
    return this.#noted.parts[String(part)];
  }

  /** Written aside and renamed, one after the other. */
  async notePart(part: number, etag: string): Promise<void> {
    this.#noted = { ...this.#noted, parts: { ...this.#noted.parts, [String(part)]: etag } };
    const text = JSON.stringify(this.#noted);
    this.#writing = this.#writing.then(async () => {
      await mkdir(dirname(this.#path), { recursive: true, mode: 0o700 });
      const aside = `${this.#path}.${process.pid}.tmp`;
      await writeFile(aside, text, { mode: 0o600 });
      await chmod(aside, 0o600);
      await rename(aside, this.#path);
    });
    await this.#writing;
  }

  async forget(): Promise<void> {
    await this.#writing.catch(() => {});
    await rm(this.#path, { force: true });
  }
}

function parse(text: string): NotedUpload | undefined {
  try {
    const noted = JSON.parse(text) as Partial<NotedUpload>;
    const whole = typeof noted.action?.href === "string" && typeof noted.expiresAt === "number" && typeof noted.parts === "object";
    return whole ? (noted as NotedUpload) : undefined;
  } catch {
    return undefined;
  }
}

function expiryOf(action: LargeAction): number {
  if (action.expires_at) return Date.parse(action.expires_at) || Date.now() + ASSUMED_LIFE_MS;
  return Date.now() + (action.expires_in ? action.expires_in * 1000 : ASSUMED_LIFE_MS);
}
