/** A document as retrieval sees it: plain text in sections, each under its headings. What a reader for a file format makes. */

export interface Section {
  /** From the outermost: `["G7", "Members"]`. */
  readonly headings: readonly string[];
  /** Where in the file, for people: `p. 3`, `row 17`; empty where headings say enough. */
  readonly place: string;
  readonly text: string;
}

export interface Document {
  readonly title: string;
  readonly sections: readonly Section[];
}

/**
 * Control characters that a terminal would obey, marks that turn the direction of text around, and invisible ones: nobody sees them, so they only
 * serve to deceive. Tabs and line ends stay; so does the joiner inside emoji.
 */
const HARMFUL =
  /[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u200b\u200e\u200f\u202a-\u202e\u2060\u2066-\u2069\ufeff\ufff9-\ufffb]|[\u{e0000}-\u{e007f}]/gu;

/** Text of a file made safe to index, to show and to hand to a model. */
export function cleanText(text: string): string {
  return text
    .replace(/\r\n?/g, "\n")
    .replace(/[\u2028\u2029]/g, "\n")
    .replace(HARMFUL, "");
}

/** The same on one line: titles, headings, names of files. */
export function cleanLine(text: string): string {
  return cleanText(text).replace(/\s+/g, " ").trim();
}
