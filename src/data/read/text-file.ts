/**
 * A text file as decoded chunks and as lines, never whole in memory.
 *
 * UTF-8 with or without a byte-order mark, and UTF-16 with one, are read as they are. Bytes that are not valid stop the reading with the
 * line where they stand: guessing an encoding would quietly train on garbage. `encoding` names another one (`shift_jis`, `euc-jp`).
 */
import { createReadStream } from "node:fs";
import { open } from "node:fs/promises";
import { DataError } from "../../errors/data-error.ts";

const PROBE_BYTES = 65_536;

/** Opens the file far enough to give our error when it cannot be read. */
async function probe(file: string): Promise<Buffer> {
  try {
    const handle = await open(file, "r");
    try {
      const buffer = Buffer.alloc(PROBE_BYTES);
      const { bytesRead } = await handle.read(buffer, 0, PROBE_BYTES, 0);
      return buffer.subarray(0, bytesRead);
    } finally {
      await handle.close();
    }
  } catch (cause) {
    throw cannotRead(file, cause);
  }
}

export function cannotRead(file: string, cause: unknown): DataError {
  const code = (cause as NodeJS.ErrnoException).code;
  const problem =
    code === "ENOENT"
      ? "expected a file, found none"
      : code === "EISDIR"
        ? "expected a file, found a folder"
        : `the file cannot be read: ${(cause as Error).message}`;
  return new DataError({ file }, problem, "Check the path.", cause);
}

function detectEncoding(start: Buffer): string {
  if (start[0] === 0xff && start[1] === 0xfe) return "utf-16le";
  if (start[0] === 0xfe && start[1] === 0xff) return "utf-16be";
  return "utf-8";
}

const isValid = (bytes: Uint8Array, encoding: string): boolean => {
  try {
    new TextDecoder(encoding, { fatal: true }).decode(bytes, { stream: true });
    return true;
  } catch {
    return false;
  }
};

/** Which encoding bytes that are not UTF-8 are likely in, for the error message. */
function guessEncoding(bytes: Buffer): string | undefined {
  let zeros = 0;
  for (const byte of bytes) if (byte === 0) zeros++;
  if (zeros > bytes.length / 4) {
    let evens = 0;
    for (let i = 0; i < bytes.length; i += 2) if (bytes[i] === 0) evens++;
    return evens > zeros / 2 ? "utf-16be" : "utf-16le";
  }
  return ["shift_jis", "euc-jp"].find((encoding) => isValid(bytes, encoding)) ?? "windows-1252";
}

function wrongEncoding(file: string, encoding: string, line: number, near: Buffer): DataError {
  const guess = encoding === "utf-8" ? guessEncoding(near) : undefined;
  return new DataError(
    { file, line },
    `expected text in ${encoding.toUpperCase()}, found bytes that are not${guess === undefined ? "" : ` (they would be valid ${guess})`}`,
    guess === undefined
      ? "Save the file as UTF-8."
      : `Save the file as UTF-8 (iconv -f ${guess.toUpperCase()} -t UTF-8), or set the data's encoding to ${JSON.stringify(guess)}.`,
  );
}

/** Decoded text in chunks; a byte-order mark is dropped. @throws DataError on unreadable files and invalid bytes */
export async function* readText(file: string, encodingWanted?: string, signal?: AbortSignal): AsyncGenerator<string> {
  const start = await probe(file);
  const encoding = encodingWanted ?? detectEncoding(start);
  let decoder: InstanceType<typeof TextDecoder>;
  try {
    decoder = new TextDecoder(encoding, { fatal: true });
  } catch (cause) {
    throw new DataError(
      { file },
      `expected the name of a text encoding, found ${JSON.stringify(encoding)}`,
      'Try "utf-8" or "shift_jis".',
      cause,
    );
  }
  if (encoding === "utf-8" && start.includes(0) && guessEncoding(start)?.startsWith("utf-16")) {
    throw wrongEncoding(file, encoding, 1, start);
  }
  let line = 1;
  const decode = (bytes: Buffer | undefined): string => {
    try {
      const text = bytes === undefined ? decoder.decode() : decoder.decode(bytes, { stream: true });
      for (let i = text.indexOf("\n"); i >= 0; i = text.indexOf("\n", i + 1)) line++;
      return text;
    } catch {
      if (bytes === undefined) {
        throw new DataError(
          { file, line },
          `expected text in ${encoding.toUpperCase()}, found that the file ends inside a character`,
          "The file is cut off: write it again.",
        );
      }
      throw wrongEncoding(file, encoding, line + newlinesBeforeDamage(bytes, encoding), bytes);
    }
  };
  const stream = createReadStream(file, { highWaterMark: 1 << 18, signal });
  try {
    for await (const bytes of stream) {
      const text = decode(bytes as Buffer);
      if (text !== "") yield text;
    }
    const rest = decode(undefined);
    if (rest !== "") yield rest;
  } catch (error) {
    if (error instanceof DataError || signal?.aborted) throw error;
    throw (error as NodeJS.ErrnoException).code === undefined ? error : cannotRead(file, error);
  } finally {
    stream.destroy();
  }
}

/** Lines before the first bad byte of a chunk, by halving. */
function newlinesBeforeDamage(bytes: Buffer, encoding: string): number {
  let good = 0;
  let bad = bytes.length;
  while (bad - good > 1) {
    const middle = (good + bad) >> 1;
    if (isValid(bytes.subarray(0, middle), encoding)) good = middle;
    else bad = middle;
  }
  let lines = 0;
  for (let i = 0; i < good; i++) if (bytes[i] === 10) lines++;
  return lines;
}

/** Lines without their ends (`\n`, `\r\n`), with their numbers from 1. */
export async function* readLines(file: string, encoding?: string, signal?: AbortSignal): AsyncGenerator<{ line: number; text: string }> {
  let held = "";
  let line = 0;
  const clean = (text: string) => (text.endsWith("\r") ? text.slice(0, -1) : text);
  for await (const chunk of readText(file, encoding, signal)) {
    const parts = (held + chunk).split("\n");
    held = parts.pop()!;
    for (const part of parts) yield { line: ++line, text: clean(part) };
  }
  if (held !== "") yield { line: ++line, text: clean(held) };
}
