/**
 * Training rows with context: each question gets the sources that asking would give it, in the same words, so that a model tuned with the template
 * `instruct-context` meets at work what it was trained on. A row that no source supports would teach it to invent; it is dropped, kept, or made
 * an example of not knowing.
 */
import { type RetrieveOptions, retrieve } from "../retrieve.ts";
import type { DocumentIndex } from "../store/document-index.ts";
import { judgeSupport, type SupportThresholds } from "./answer-question.ts";
import { contextOf, languageOf, NOT_KNOWN, sourceLabel } from "./prompt.ts";

export interface ContextRow {
  readonly instruction: string;
  readonly context: string;
  readonly output: string;
  readonly sources: readonly string[];
  readonly supported: boolean;
}

export type UnsupportedPolicy = "drop" | "keep" | "refuse";

/** Undefined: the row is dropped. */
export async function makeContextRow(
  index: DocumentIndex | undefined,
  row: { readonly question: string; readonly output: string },
  options: RetrieveOptions & { readonly support: SupportThresholds; readonly unsupported: UnsupportedPolicy },
): Promise<ContextRow | undefined> {
  const { hits } = await retrieve(index, row.question, options);
  const { isSupported } = judgeSupport(hits, options.support);
  if (!isSupported && options.unsupported === "drop") return undefined;
  const output = isSupported || options.unsupported === "keep" ? row.output : NOT_KNOWN[languageOf(row.question)];
  return { instruction: row.question, context: contextOf(hits), output, sources: hits.map(sourceLabel), supported: isSupported };
}
