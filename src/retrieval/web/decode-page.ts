/**
 * Bytes of a page → text. Pages lie about their encoding: a byte-order mark is believed first; then bytes that are valid UTF-8, whatever the page
 * says, because other encodings hardly ever look like it; then what the header or the page itself names; what is left over is UTF-8 with marks for
 * what cannot be read. Never fails.
 */
import { WebError } from "../../errors/web-error.ts";

/** Where a page may name its encoding; the HTML standard says 1,024, real ones come later. */
const META_BYTES = 4096;
/** Seven-bit encodings: all of their bytes are valid UTF-8 and mean something else. */
const LOOKS_LIKE_ASCII = /^(?:iso-2022-|hz-gb|utf-7)/i;
/** A text with more unreadable characters than this share is no text. */
const MAX_UNREADABLE = 0.1;

/** @throws WebError for bytes that are no text */
export function decodePage(url: string, bytes: Buffer, contentType: string): string {
  const named = [/charset\s*=\s*["']?([\w.:-]+)/i.exec(contentType)?.[1], metaOf(bytes)].filter((name) => name !== undefined);
  const marked = bytes[0] === 0xff && bytes[1] === 0xfe ? "utf-16le" : bytes[0] === 0xfe && bytes[1] === 0xff ? "utf-16be" : undefined;
  const isSevenBit = named.some((name) => LOOKS_LIKE_ASCII.test(name));
  const order = [...(marked ? [marked] : []), ...(isSevenBit ? named : []), "utf-8", ...named];
  for (const name of order) {
    const text = decode(name, bytes, true);
    if (text !== undefined && !text.includes("\u0000")) return text;
  }
  const text = decode(named.find((name) => decode(name, Buffer.alloc(0), false) !== undefined) ?? "utf-8", bytes, false)!;
  const unreadable = (text.match(/[\ufffd\u0000]/g) ?? []).length;
  if (unreadable > MAX_UNREADABLE * text.length) throw new WebError(url, "expected text, found bytes in no encoding that it names");
  return text;
}

function decode(name: string, bytes: Buffer, fatal: boolean): string | undefined {
  try {
    return new TextDecoder(name, { fatal }).decode(bytes);
  } catch {
    return undefined; // an unknown name, or bytes that are not in it
  }
}

function metaOf(bytes: Buffer): string | undefined {
  const head = bytes.subarray(0, META_BYTES).toString("latin1");
  return (
    /<meta[^>]{0,300}charset\s*=\s*["']?\s*([\w.:-]+)/i.exec(head)?.[1] ??
    /^<\?xml[^>]{0,200}encoding\s*=\s*["']([\w.:-]+)/i.exec(head)?.[1]
  );
}
