/**
 * A tokenizer for tests: each byte of UTF-8 is a token of the same number, and a few special tokens follow from id 256. No files, no
 * training; what it does can be checked by eye.
 */
import type { DecodeOptions, EncodeOptions, Tokenizer } from "../tokenizer.ts";

export interface ByteTokenizerOptions {
  addsBos?: boolean;
  chatTemplate?: string;
  stripsLeadingSpace?: boolean;
}

/** Ids 256 `<bos>`, 257 `<eos>`, 258 `<pad>`, 259 `<turn>`. */
export class ByteTokenizer implements Tokenizer {
  readonly specialTokens = ["<bos>", "<eos>", "<pad>", "<turn>"];
  readonly vocabularySize = 260;
  readonly bos = 256;
  readonly eos = [257];
  readonly pad = 258;
  readonly addsBos: boolean;
  readonly chatTemplate?: string;
  readonly stripsLeadingSpace: boolean;

  constructor(options: ByteTokenizerOptions = {}) {
    this.addsBos = options.addsBos ?? false;
    this.chatTemplate = options.chatTemplate;
    this.stripsLeadingSpace = options.stripsLeadingSpace ?? false;
  }

  encode(text: string, { special = false, guard }: EncodeOptions = {}): number[] {
    const plain = (part: string) => [...new TextEncoder().encode(guard === undefined ? part : part.replaceAll(guard, ""))];
    if (!special) return plain(text);
    return text.split(/(<(?:bos|eos|pad|turn)>)/).flatMap((part) => {
      const at = this.specialTokens.indexOf(part);
      return at >= 0 ? [256 + at] : plain(part);
    });
  }

  decode(ids: ArrayLike<number>, { skipSpecial = true }: DecodeOptions = {}): string {
    const kept = Array.from(ids).filter((id) => !(skipSpecial && this.isSpecial(id)));
    return new TextDecoder("utf-8", { ignoreBOM: true }).decode(Buffer.concat(kept.map((id) => this.bytesOf(id))));
  }

  idOf(token: string): number | undefined {
    const at = this.specialTokens.indexOf(token);
    return at >= 0 ? 256 + at : token.length === 1 && token.charCodeAt(0) < 128 ? token.charCodeAt(0) : undefined;
  }

  tokenOf(id: number): string | undefined {
    return id >= 256 ? this.specialTokens[id - 256] : String.fromCharCode(id);
  }

  isSpecial(id: number): boolean {
    return id >= 256;
  }

  bytesOf(id: number): Uint8Array {
    return id >= 256 ? new TextEncoder().encode(this.specialTokens[id - 256] ?? "") : Uint8Array.of(id);
  }
}
