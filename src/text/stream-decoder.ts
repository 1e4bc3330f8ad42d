/**
 * Token ids to text, piece by piece as they are generated.
 *
 * Works on bytes: a character that is spread over several tokens comes out when its last byte arrives, never as a broken half. The pieces,
 * joined, equal `tokenizer.decode` of all ids. SentencePiece's leading space is dropped once, at the very start. Stop strings are held back
 * until certain (`stop-strings.ts`).
 */
import { StopStrings } from "./stop-strings.ts";
import type { Tokenizer } from "./tokenizer.ts";

export interface StreamDecoderOptions {
  /** The text ends before the first of these. */
  stop?: readonly string[];
  /** Leave special tokens out. @default true */
  skipSpecial?: boolean;
  /** The text continues another: a leading space is the author's. @default false */
  continues?: boolean;
}

export class StreamDecoder {
  readonly #tokenizer: Tokenizer;
  readonly #utf8 = new TextDecoder("utf-8", { ignoreBOM: true });
  readonly #stops: StopStrings;
  readonly #skipSpecial: boolean;
  #atStart: boolean;

  constructor(tokenizer: Tokenizer, options: StreamDecoderOptions = {}) {
    this.#tokenizer = tokenizer;
    this.#stops = new StopStrings(options.stop ?? []);
    this.#skipSpecial = options.skipSpecial ?? true;
    this.#atStart = tokenizer.stripsLeadingSpace && !(options.continues ?? false);
  }

  /** The stop string that ended the text, once one has: generation may stop. */
  get stoppedBy(): string | undefined {
    return this.#stops.stoppedBy;
  }

  /** Text that this token makes certain; often empty. */
  push(id: number): string {
    if (this.#skipSpecial && this.#tokenizer.isSpecial(id)) return "";
    return this.#release(this.#utf8.decode(this.#tokenizer.bytesOf(id), { stream: true }));
  }

  /** The rest, when no more tokens come; an unfinished character becomes U+FFFD. */
  end(): string {
    const released = this.#release(this.#utf8.decode());
    return this.#stops.stoppedBy === undefined ? released + this.#stops.end() : released;
  }

  #release(text: string): string {
    if (this.#atStart && text !== "") {
      this.#atStart = false;
      if (text.startsWith(" ")) text = text.slice(1);
    }
    return text === "" ? "" : this.#stops.push(text);
  }
}
