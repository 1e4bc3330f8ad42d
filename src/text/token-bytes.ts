/**
 * The bytes each token stands for, by the kind of decoder the tokenizer declares.
 *
 * Three kinds cover language models: byte-level (GPT-2, Llama 3, Qwen, Nemo), SentencePiece with byte fallback (Llama 2, Gemma, Phi-3) and
 * WordPiece (encoders). Bytes, not text, because a character may be spread over several tokens; joining happens before UTF-8 is decoded.
 */
import { TokenizerError } from "../errors/tokenizer-error.ts";
import { byteLevelBytes } from "./byte-alphabet.ts";
import { type ComponentJson, flattenComponent } from "./tokenizer-json.ts";

export interface TokenBytes {
  of: (token: string) => Uint8Array;
  /** One space at the very start belongs to the tokenizer. */
  stripsLeadingSpace: boolean;
}

const BYTE_TOKEN = /^<0x([0-9A-F]{2})>$/;

export function tokenBytes(decoder: ComponentJson | null, source: string): TokenBytes {
  const parts = flattenComponent(decoder);
  const utf8 = new TextEncoder();
  const has = (type: string) => parts.some((part) => part.type === type);
  if (parts.length === 0) return { of: (token) => utf8.encode(token), stripsLeadingSpace: false };
  if (has("ByteLevel")) return { of: byteLevelBytes, stripsLeadingSpace: false };
  if (has("WordPiece")) {
    const prefix = String(parts.find((part) => part.type === "WordPiece")?.prefix ?? "##");
    const text = (token: string) => (token.startsWith(prefix) ? token.slice(prefix.length) : ` ${token}`);
    return { of: (token) => utf8.encode(text(token)), stripsLeadingSpace: true };
  }
  const metaspace = parts.find((part) => part.type === "Metaspace");
  const known = new Set(["Metaspace", "Replace", "ByteFallback", "Fuse", "Strip"]);
  const unknown = parts.find((part) => !known.has(part.type));
  if (unknown || !(metaspace || has("Replace") || has("ByteFallback"))) {
    throw new TokenizerError(
      source,
      `expected a decoder of kind ByteLevel, Metaspace, ByteFallback or WordPiece, found ${unknown?.type ?? parts[0]?.type}`,
      "Use the tokenizer of a language model that remora supports.",
    );
  }
  const space = String(metaspace?.replacement ?? "▁");
  const prefixed = metaspace !== undefined && metaspace.prepend_scheme !== "never" && metaspace.add_prefix_space !== false;
  const strips = parts.some((part) => part.type === "Strip" && part.content === " " && Number(part.start) > 0);
  return {
    of: (token) => {
      const byte = BYTE_TOKEN.exec(token);
      return byte ? Uint8Array.of(Number.parseInt(byte[1]!, 16)) : utf8.encode(token.replaceAll(space, " "));
    },
    stripsLeadingSpace: prefixed || strips,
  };
}
