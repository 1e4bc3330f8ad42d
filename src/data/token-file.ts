/**
 * Token files: a corpus tokenized once, read where it lies. Documents stand one behind the other, each closed by the end-of-text id, so that
 * their borders need no index; a file may be larger than memory, because reading is by position and the system's page cache does the rest.
 *
 *   bytes  0–7   "remoratk"          24–31  documents, u64
 *          8–11  version, u32 = 1    32–39  bytes of UTF-8 text, u64
 *         12–15  bytes a token, u32  40–43  end-of-text id, u32     44–47  vocabulary size, u32
 *         16–23  tokens, u64         48–63  print of the tokenizer (`tokenizerPrint`)
 *         64 …   tokens, u16 or u32; everything little-endian
 */
import { createHash } from "node:crypto";
import { DataError } from "../errors/data-error.ts";
import { AtomicFile } from "../formats/atomic-file.ts";
import { FileBytes } from "../formats/file-bytes.ts";
import type { Tokenizer } from "../text/tokenizer.ts";

const MAGIC = "remoratk";
const VERSION = 1;
const HEADER_BYTES = 64;
/** Tokens gathered before they are written. */
const CHUNK_TOKENS = 1 << 20;
/** Vocabularies up to this size fit 16 bits. */
const SHORT_VOCABULARY = 65_536;

export interface TokenFileFacts {
  readonly tokens: number;
  readonly documents: number;
  /** UTF-8 bytes of the text that the tokens stand for. */
  readonly textBytes: number;
  /** Closes every document. */
  readonly endId: number;
  readonly vocabularySize: number;
  /** Hexadecimal. */
  readonly print: string;
}

/** 16 bytes that differ when any token differs, in hexadecimal. */
export function tokenizerPrint(tokenizer: Tokenizer): string {
  const hash = createHash("sha256");
  for (let id = 0; id < tokenizer.vocabularySize; id++) hash.update(`${tokenizer.tokenOf(id) ?? ""}\0`);
  return hash.digest("hex").slice(0, 32);
}

/** Writes a token file; it appears whole or not at all. */
export class TokenFileWriter {
  readonly #file: AtomicFile;
  readonly #facts: Pick<TokenFileFacts, "endId" | "vocabularySize" | "print">;
  readonly #chunk: Uint16Array | Uint32Array;
  #held = 0;
  #tokens = 0;
  #documents = 0;
  #textBytes = 0;

  private constructor(file: AtomicFile, facts: Pick<TokenFileFacts, "endId" | "vocabularySize" | "print">) {
    this.#file = file;
    this.#facts = facts;
    this.#chunk = facts.vocabularySize <= SHORT_VOCABULARY ? new Uint16Array(CHUNK_TOKENS) : new Uint32Array(CHUNK_TOKENS);
  }

  static async create(path: string, facts: Pick<TokenFileFacts, "endId" | "vocabularySize" | "print">): Promise<TokenFileWriter> {
    const file = await AtomicFile.create(path);
    await file.write(new Uint8Array(HEADER_BYTES));
    return new TokenFileWriter(file, facts);
  }

  /** One document without its end-of-text, which is added. @param textBytes UTF-8 bytes of its text */
  async add(ids: readonly number[], textBytes: number): Promise<void> {
    for (const id of ids) {
      this.#chunk[this.#held++] = id;
      if (this.#held === CHUNK_TOKENS) await this.#flush();
    }
    this.#chunk[this.#held++] = this.#facts.endId;
    if (this.#held === CHUNK_TOKENS) await this.#flush();
    this.#tokens += ids.length + 1;
    this.#textBytes += textBytes;
    this.#documents++;
  }

  async finish(): Promise<TokenFileFacts> {
    await this.#flush();
    const facts = { tokens: this.#tokens, documents: this.#documents, textBytes: this.#textBytes, ...this.#facts };
    await this.#file.writeAt(header(facts, this.#chunk.BYTES_PER_ELEMENT), 0);
    await this.#file.commit();
    return facts;
  }

  /** Throws away what was written. */
  abandon(): Promise<void> {
    return this.#file.abandon();
  }

  async #flush(): Promise<void> {
    await this.#file.write(new Uint8Array(this.#chunk.buffer, 0, this.#held * this.#chunk.BYTES_PER_ELEMENT));
    this.#held = 0;
  }
}

function header(facts: TokenFileFacts, tokenBytes: number): Uint8Array {
  const bytes = Buffer.alloc(HEADER_BYTES);
  bytes.write(MAGIC, 0, "latin1");
  bytes.writeUInt32LE(VERSION, 8);
  bytes.writeUInt32LE(tokenBytes, 12);
  for (const [at, value] of [
    [16, facts.tokens],
    [24, facts.documents],
    [32, facts.textBytes],
  ] as const) {
    bytes.writeBigUInt64LE(BigInt(value), at);
  }
  bytes.writeUInt32LE(facts.endId, 40);
  bytes.writeUInt32LE(facts.vocabularySize, 44);
  Buffer.from(facts.print, "hex").copy(bytes, 48);
  return bytes;
}

/** A token file opened for reading. @throws DataError when it is none, or damaged · FileAccessError */
export class TokenFile implements Disposable {
  readonly path: string;
  readonly facts: TokenFileFacts;
  readonly #bytes: FileBytes;
  readonly #tokenBytes: number;

  constructor(path: string) {
    this.path = path;
    this.#bytes = new FileBytes(path);
    try {
      [this.facts, this.#tokenBytes] = readHeader(path, this.#bytes);
    } catch (error) {
      this.#bytes[Symbol.dispose]();
      throw error;
    }
  }

  /** Tokens [start, start + count), which must lie within the file. @throws DataError for an id outside the vocabulary */
  read(start: number, count: number): Uint16Array | Uint32Array {
    const raw = this.#bytes.read(HEADER_BYTES + start * this.#tokenBytes, count * this.#tokenBytes);
    const ids = this.#tokenBytes === 2 ? new Uint16Array(raw.buffer, 0, count) : new Uint32Array(raw.buffer, 0, count);
    const { vocabularySize } = this.facts;
    for (let i = 0; i < count; i++) {
      if (ids[i]! < vocabularySize) continue;
      throw damaged(this.path, `ids below ${vocabularySize}`, `${ids[i]} at token ${start + i}`);
    }
    return ids;
  }

  [Symbol.dispose](): void {
    this.#bytes[Symbol.dispose]();
  }
}

function readHeader(path: string, file: FileBytes): [TokenFileFacts, number] {
  if (file.byteLength < HEADER_BYTES) throw damaged(path, `a header of ${HEADER_BYTES} bytes`, `${file.byteLength} bytes in all`);
  const bytes = Buffer.from(file.read(0, HEADER_BYTES).buffer);
  const magic = bytes.toString("latin1", 0, 8);
  if (magic !== MAGIC) throw damaged(path, `a token file (${MAGIC})`, JSON.stringify(magic));
  const version = bytes.readUInt32LE(8);
  if (version !== VERSION) throw damaged(path, `version ${VERSION}`, `${version}`);
  const tokenBytes = bytes.readUInt32LE(12);
  if (tokenBytes !== 2 && tokenBytes !== 4) throw damaged(path, "2 or 4 bytes a token", `${tokenBytes}`);
  const [tokens, documents, textBytes] = [16, 24, 32].map((at) => Number(bytes.readBigUInt64LE(at)));
  const expected = HEADER_BYTES + tokens! * tokenBytes;
  if (file.byteLength !== expected) throw damaged(path, `${expected} bytes for ${tokens} tokens`, `${file.byteLength} bytes`);
  const facts = {
    tokens: tokens!,
    documents: documents!,
    textBytes: textBytes!,
    endId: bytes.readUInt32LE(40),
    vocabularySize: bytes.readUInt32LE(44),
    print: bytes.toString("hex", 48, 64),
  };
  return [facts, tokenBytes];
}

function damaged(file: string, expected: string, found: string): DataError {
  return new DataError({ file }, `expected ${expected}, found ${found}`, "Make the file again with remora data tokenize.");
}
