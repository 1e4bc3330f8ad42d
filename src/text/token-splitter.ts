/**
 * Cuts a text at added tokens, longest first at each place, as the reference tokenizer does.
 *
 * `lstrip` and `rstrip` tokens swallow the white space beside them (Phi-3's role tokens do).
 */
import type { AddedTokenJson } from "./tokenizer-json.ts";

/** A stretch of ordinary text, or an added token. */
export type TextPiece = { text: string; token?: undefined } | { text: string; token: AddedTokenJson };

/** A node of the trie over UTF-16 code units. */
interface TrieNode {
  next: Map<number, TrieNode>;
  token?: AddedTokenJson;
}

export class TokenSplitter {
  readonly #root: TrieNode = { next: new Map() };

  /** @param contents  what to look for in the text → the token it means */
  constructor(contents: ReadonlyMap<string, AddedTokenJson>) {
    for (const [content, token] of contents) {
      if (content === "") continue;
      let node = this.#root;
      for (let i = 0; i < content.length; i++) {
        const unit = content.charCodeAt(i);
        let child = node.next.get(unit);
        if (child === undefined) {
          child = { next: new Map() };
          node.next.set(unit, child);
        }
        node = child;
      }
      node.token = token;
    }
  }

  split(text: string): TextPiece[] {
    const pieces: TextPiece[] = [];
    let start = 0;
    const keep = (from: number, to: number) => {
      if (to > from) pieces.push({ text: text.slice(from, to) });
    };
    for (let i = 0; i < text.length; ) {
      const found = this.#longestAt(text, i);
      if (found === undefined) {
        i++;
        continue;
      }
      let before = i;
      if (found.token.lstrip) while (before > start && isSpace(text, before - 1)) before--;
      keep(start, before);
      pieces.push({ text: text.slice(i, found.end), token: found.token });
      i = found.end;
      if (found.token.rstrip) while (i < text.length && isSpace(text, i)) i++;
      start = i;
    }
    keep(start, text.length);
    return pieces;
  }

  #longestAt(text: string, start: number): { token: AddedTokenJson; end: number } | undefined {
    let found: { token: AddedTokenJson; end: number } | undefined;
    let node: TrieNode | undefined = this.#root;
    for (let i = start; i < text.length; ) {
      node = node.next.get(text.charCodeAt(i++));
      if (node === undefined) break;
      if (node.token !== undefined) found = { token: node.token, end: i };
    }
    return found;
  }
}

const isSpace = (text: string, index: number): boolean => /\s/.test(text[index]!);
