/**
 * Lines of JSON that only grow: what makes a stopped comparison go on where it stopped. Each line is written whole; a last line torn by a crash
 * is cut off when the log is opened again. Keyed by the caller: the newest line of a key counts.
 */
import { closeSync, existsSync, ftruncateSync, openSync, readFileSync, writeSync } from "node:fs";
import { FileAccessError } from "../../errors/file-access-error.ts";

export class RecordLog<T extends object> implements Disposable {
  readonly #file: number;
  readonly #path: string;
  readonly #records = new Map<string, T>();
  readonly #keyOf: (record: T) => string;

  /** @throws FileAccessError */
  constructor(path: string, keyOf: (record: T) => string) {
    this.#path = path;
    this.#keyOf = keyOf;
    try {
      const text = existsSync(path) ? readFileSync(path, "utf8") : "";
      const whole = text.slice(0, text.lastIndexOf("\n") + 1);
      for (const line of whole.split("\n")) if (line !== "") this.#remember(JSON.parse(line) as T);
      this.#file = openSync(path, "a");
      if (whole.length < text.length) ftruncateSync(this.#file, Buffer.byteLength(whole));
    } catch (cause) {
      throw new FileAccessError("Opening", path, cause);
    }
  }

  get(key: string): T | undefined {
    return this.#records.get(key);
  }

  get size(): number {
    return this.#records.size;
  }

  /** The newest record of each key, in the order in which the keys came. */
  values(): IterableIterator<T> {
    return this.#records.values();
  }

  add(record: T): void {
    try {
      writeSync(this.#file, `${JSON.stringify(record)}\n`);
    } catch (cause) {
      throw new FileAccessError("Writing", this.#path, cause);
    }
    this.#remember(record);
  }

  #remember(record: T): void {
    this.#records.set(this.#keyOf(record), record);
  }

  [Symbol.dispose](): void {
    closeSync(this.#file);
  }
}
