/**
 * All examples of a dataset, tokenized once: flat arrays in memory, or a temporary file when they grow past a limit.
 *
 * An id and its trained flag share four bytes (the flag is the top bit), so a billion tokens are 4 GB; past `memoryLimitBytes` they move to
 * a file, and reading an example is one positioned read. Either way every example can be reached at once, so order, shuffling and resuming
 * do not depend on where the tokens lie.
 */
import { closeSync, mkdtempSync, openSync, readSync, rmSync, writeSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

export interface StoredExample {
  ids: Int32Array;
  trained: Uint8Array;
}

const TRAINED_BIT = 0x80000000;
const DEFAULT_MEMORY_LIMIT = 2 ** 30;
const CHUNK = 1 << 20; // tokens buffered before they are written to the file

export interface TokenStoreOptions {
  /** Tokens beyond this go to a temporary file. @default 1 GiB */
  memoryLimitBytes?: number;
  /** Folder for that file. @default the system's */
  folder?: string;
}

export class TokenStore implements Disposable {
  #tokens = new Uint32Array(1024);
  #offsets = new Float64Array(256);
  #rows = new Int32Array(256);
  #count = 0;
  #total = 0;
  /** Tokens already in the file; the rest is in `#tokens`. */
  #written = 0;
  #file: { descriptor: number; folder: string } | undefined;
  readonly #limit: number;
  readonly #folder: string;

  constructor(options: TokenStoreOptions = {}) {
    this.#limit = options.memoryLimitBytes ?? DEFAULT_MEMORY_LIMIT;
    this.#folder = options.folder ?? tmpdir();
  }

  get count(): number {
    return this.#count;
  }

  get tokenCount(): number {
    return this.#total;
  }

  get isOnDisk(): boolean {
    return this.#file !== undefined;
  }

  /** Appends an example, gives its index. `trained` may be left out: then every token is. */
  add(ids: ArrayLike<number>, trained: ArrayLike<number> | undefined, row: number): number {
    const held = this.#total - this.#written;
    if (held + ids.length > this.#tokens.length) this.#tokens = grow(this.#tokens, held + ids.length, Uint32Array);
    for (let i = 0; i < ids.length; i++) this.#tokens[held + i] = ids[i]! | (trained === undefined || trained[i] ? TRAINED_BIT : 0);
    if (this.#count + 1 >= this.#offsets.length) this.#offsets = grow(this.#offsets, this.#count + 2, Float64Array);
    if (this.#count >= this.#rows.length) this.#rows = grow(this.#rows, this.#count + 1, Int32Array);
    this.#rows[this.#count] = row;
    this.#total += ids.length;
    this.#offsets[++this.#count] = this.#total;
    const inMemory = (this.#total - this.#written) * 4;
    if (inMemory > (this.#file === undefined ? this.#limit : CHUNK * 4)) this.#spill();
    return this.#count - 1;
  }

  length(index: number): number {
    return this.#offsets[index + 1]! - this.#offsets[index]!;
  }

  /** Row in the file, from 1. */
  row(index: number): number {
    return this.#rows[index]!;
  }

  get(index: number): StoredExample {
    const raw = this.raw(this.#offsets[index]!, this.length(index));
    const ids = new Int32Array(raw.length);
    const trained = new Uint8Array(raw.length);
    for (let i = 0; i < raw.length; i++) {
      ids[i] = raw[i]! & 0x7fffffff;
      trained[i] = raw[i]! >>> 31;
    }
    return { ids, trained };
  }

  /** Tokens from a place in the whole stream, top bit = trained: for blocks that run over example borders. */
  raw(start: number, length: number): Uint32Array {
    const result = new Uint32Array(length);
    const fromFile = Math.max(0, Math.min(length, this.#written - start));
    if (fromFile > 0) readFully(this.#file!.descriptor, new Uint8Array(result.buffer, 0, fromFile * 4), start * 4);
    if (fromFile < length) {
      const at = start + fromFile - this.#written;
      result.set(this.#tokens.subarray(at, at + length - fromFile), fromFile);
    }
    return result;
  }

  /** Place in the stream where example `index` begins; `index` = count gives the end. */
  offset(index: number): number {
    return this.#offsets[index]!;
  }

  [Symbol.dispose](): void {
    if (this.#file === undefined) return;
    closeSync(this.#file.descriptor);
    rmSync(this.#file.folder, { recursive: true, force: true });
    this.#file = undefined;
    this.#count = 0;
    this.#total = 0;
  }

  #spill(): void {
    if (this.#file === undefined) {
      const folder = mkdtempSync(join(this.#folder, "remora-tokens-"));
      this.#file = { folder, descriptor: openSync(join(folder, "tokens.u32"), "w+", 0o600) };
    }
    const held = this.#total - this.#written;
    const bytes = new Uint8Array(this.#tokens.buffer, 0, held * 4);
    for (let done = 0; done < bytes.length; ) {
      done += writeSync(this.#file.descriptor, bytes, done, Math.min(bytes.length - done, 1 << 30), this.#written * 4 + done);
    }
    this.#written = this.#total;
    if (this.#tokens.length > CHUNK * 2) this.#tokens = new Uint32Array(CHUNK);
  }
}

function grow<T extends Uint32Array | Int32Array | Float64Array>(list: T, needed: number, Kind: new (length: number) => T): T {
  const larger = new Kind(Math.max(needed, Math.ceil(list.length * 1.6)));
  larger.set(list);
  return larger;
}

function readFully(descriptor: number, into: Uint8Array, position: number): void {
  for (let done = 0; done < into.length; ) {
    const count = readSync(descriptor, into, done, into.length - done, position + done);
    if (count === 0) throw new RangeError("the temporary token file ended early");
    done += count;
  }
}
