/**
 * Sections → chunks of whole sentences, up to a number of tokens, each under its headings. The next chunk begins with the last sentences of the
 * one before, as many as fit into the overlap, so that an answer that crosses the border stands whole in one of them.
 */
import type { Document, Section } from "../documents/document.ts";
import { splitClauses, splitSentences } from "./split-sentences.ts";
import type { TokenCounter } from "./token-counter.ts";

export interface Chunk {
  /** `G7 › Members`; empty without headings. */
  readonly heading: string;
  readonly place: string;
  readonly text: string;
  /** Of heading and text. */
  readonly tokens: number;
}

export interface ChunkSizes {
  readonly chunkTokens: number;
  readonly overlapTokens: number;
}

interface Unit {
  readonly text: string;
  readonly tokens: number;
}

/** Headings may take at most this share of a chunk; deeper paths lose their beginning. */
const HEADING_SHARE = 0.25;
const HEADING_SEPARATOR = " › ";

export async function cutChunks(document: Document, sizes: ChunkSizes, counter: TokenCounter): Promise<Chunk[]> {
  const sections = document.sections.map((section) => ({ section, sentences: splitSentences(section.text) }));
  // One call of the counter for all: it may lie behind a worker.
  const counts = await counter.count(sections.flatMap(({ section, sentences }) => [...headingsFromWithin(section), ...sentences]));
  const chunks: Chunk[] = [];
  let next = 0;
  for (const { section, sentences } of sections) {
    const headings = headingsFromWithin(section);
    const headingCounts = counts.slice(next, next + headings.length);
    next += headings.length;
    const units = sentences.map((text, index) => ({ text, tokens: counts[next + index]! }));
    next += sentences.length;
    const fitting = headingCounts.findIndex((tokens) => tokens <= HEADING_SHARE * sizes.chunkTokens);
    const heading = fitting < 0 ? "" : headings[fitting]!;
    const headingTokens = fitting < 0 ? 0 : headingCounts[fitting]!;
    const room = sizes.chunkTokens - headingTokens;
    const whole = await splitLong(units, room, counter);
    for (const { text, tokens } of pack(whole, room, Math.min(sizes.overlapTokens, Math.floor(room / 2)))) {
      chunks.push({ heading, place: section.place, text, tokens: tokens + headingTokens });
    }
  }
  return chunks;
}

/** The heading path whole, then without its first, and so on: the first that is short enough is used. */
function headingsFromWithin({ headings }: Section): string[] {
  return headings.map((_, index) => headings.slice(index).join(HEADING_SEPARATOR));
}

/** Sentences longer than a chunk are cut at commas, then at words. */
async function splitLong(units: readonly Unit[], room: number, counter: TokenCounter): Promise<Unit[]> {
  const result: Unit[] = [];
  for (const unit of units) {
    if (unit.tokens <= room || unit.text.length <= 1) {
      result.push(unit);
      continue;
    }
    const texts = splitClauses(unit.text);
    const counts = await counter.count(texts);
    const pieces = texts.map((text, index) => ({ text, tokens: counts[index]! }));
    const stillLong = pieces.some(({ tokens }) => tokens > room);
    result.push(...merge(stillLong && texts.length > 1 ? await splitLong(pieces, room, counter) : pieces, room));
  }
  return result;
}

/** Neighbours that fit together become one unit again, so that packing does not see thousands of words. */
function merge(pieces: readonly Unit[], room: number): Unit[] {
  const merged: { text: string; tokens: number }[] = [];
  // A third of the room: units small enough to fill chunks well.
  for (const piece of pieces) {
    const last = merged.at(-1);
    if (last && last.tokens + piece.tokens <= Math.max(1, room / 3)) {
      last.text += piece.text;
      last.tokens += piece.tokens;
    } else merged.push({ ...piece });
  }
  return merged;
}

function pack(units: readonly Unit[], room: number, overlap: number): Unit[] {
  const chunks: Unit[] = [];
  let held: Unit[] = [];
  /** Units of `held` that the chunk before has already. */
  let repeated = 0;
  const sum = (list: readonly Unit[]) => list.reduce((total, { tokens }) => total + tokens, 0);
  const end = () => {
    if (held.length <= repeated) return;
    const text = held
      .map(({ text }) => text)
      .join("")
      .trim();
    if (text !== "") chunks.push({ text, tokens: sum(held) });
    const tail: Unit[] = [];
    for (let i = held.length - 1; i > 0 && sum(tail) + held[i]!.tokens <= overlap; i--) tail.unshift(held[i]!);
    held = tail;
    repeated = tail.length;
  };
  for (const unit of units) {
    if (sum(held) + unit.tokens > room) end();
    // What is repeated must not push out what is new.
    while (held.length > 0 && held.length === repeated && sum(held) + unit.tokens > room) {
      held.shift();
      repeated--;
    }
    held.push(unit);
  }
  end();
  return chunks;
}
