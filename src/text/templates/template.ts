/**
 * A template turns a row into text, and says by construction which part of it the model must learn to write.
 *
 * Nothing is found afterwards by looking for markers: the response has its own segment from the start. What is a segment of text here becomes
 * token ids in `encode-rendered.ts`, which also owns the rules on begin- and end-of-text.
 */

export interface Message {
  role: string;
  content: string;
}

/** A row by the names templates use; columns of a file are mapped to these names before. */
export interface TemplateRow {
  instruction?: string;
  input?: string;
  output?: string;
  context?: string;
  system?: string;
  /** Plain text, all of it to be learnt. */
  text?: string;
  messages?: readonly Message[];
  /** Further columns, for a user's own template. */
  [column: string]: unknown;
}

export interface Segment {
  text: string;
  /** The model learns to write this. */
  trained: boolean;
  /** Template text after an answer: learnt up to its first end-of-text token, and not beyond it. */
  endsAnswer?: boolean;
}

export interface Rendered {
  segments: readonly Segment[];
  /** The character that keeps special tokens in the row's own words from being read as such. */
  guard: string;
}

export interface Template {
  /** A preset's name or the file it was read from. */
  readonly name: string;
  /** `prompt`: an end-of-text anywhere in the asking prompt is an error. `chat`: earlier turns end in one. */
  readonly kind: "prompt" | "chat";
  /** The whole row, for training. @throws TemplateError */
  render(row: TemplateRow): Rendered;
  /** What is asked: everything that stands before the response. @throws TemplateError */
  renderPrompt(row: TemplateRow): Rendered;
}
