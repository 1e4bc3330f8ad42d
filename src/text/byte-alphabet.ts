/**
 * The printable stand-ins that byte-level BPE uses for the 256 bytes: visible Latin-1 characters stand for themselves, the other 68 bytes
 * for U+0100 onwards in order, so a space is `Ġ` and a newline `Ċ`.
 *
 * @see openai/gpt-2, `encoder.py`, `bytes_to_unicode`
 */

const isVisible = (byte: number): boolean => (byte >= 0x21 && byte <= 0x7e) || (byte >= 0xa1 && byte <= 0xac) || byte >= 0xae;

/** Character of each byte, in order of the byte. */
export const BYTE_CHARACTERS: readonly string[] = (() => {
  let next = 0x100;
  return Array.from({ length: 256 }, (_, byte) => String.fromCharCode(isVisible(byte) ? byte : next++));
})();

/** Byte of each character. */
const CHARACTER_BYTES: ReadonlyMap<string, number> = new Map(BYTE_CHARACTERS.map((character, byte) => [character, byte]));

/** Bytes that a byte-level token stands for; a token with a character outside the alphabet stands for itself. */
export function byteLevelBytes(token: string): Uint8Array {
  const bytes = new Uint8Array(token.length);
  let n = 0;
  for (const character of token) {
    const byte = CHARACTER_BYTES.get(character);
    if (byte === undefined) return new TextEncoder().encode(token);
    bytes[n++] = byte;
  }
  return bytes.subarray(0, n);
}

const UTF8 = new TextEncoder();

/** A text in the byte alphabet: one character for each byte of its UTF-8. */
export function toByteAlphabet(text: string): string {
  let result = "";
  for (const byte of UTF8.encode(text)) result += BYTE_CHARACTERS[byte];
  return result;
}
