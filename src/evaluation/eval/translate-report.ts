/** Questions and answers in the other language, by a model that the user chose. Cached by text and model: a report made again asks nothing. */
import { CancelledError } from "../../errors/cancelled-error.ts";
import type { Translation } from "../report/report-data.ts";
import { answerLanguage } from "../scores/answer-language.ts";
import type { RecordLog } from "./record-log.ts";

export interface LoggedTranslation {
  readonly key: string;
  readonly text: string;
}

export interface Translator {
  readonly fingerprint: string;
  /** Texts at once. */
  readonly batchSize: number;
  /** The texts in the other language, in order; an error where one failed. */
  translate(texts: readonly { text: string; to: "ja" | "en" }[], signal?: AbortSignal): Promise<readonly (string | Error)[]>;
}

export interface Translated {
  /** By text; texts that are neither Japanese nor English, or whose translation failed, are absent. */
  readonly texts: ReadonlyMap<string, Translation>;
  /** What could not be translated, and why. */
  readonly problems: readonly { readonly text: string; readonly problem: string }[];
}

/** @throws CancelledError; what was translated is in the log */
export async function translateTexts(
  texts: Iterable<string>,
  translator: Translator,
  log: RecordLog<LoggedTranslation>,
  options: { readonly signal?: AbortSignal; readonly onProgress?: (done: number, all: number) => void } = {},
): Promise<Translated> {
  const wanted = [...new Set(texts)].flatMap((text) => {
    const language = answerLanguage(text);
    return language === "ja" || language === "en" ? [{ text, to: language === "ja" ? ("en" as const) : ("ja" as const) }] : [];
  });
  const keyOf = (text: string) => JSON.stringify([translator.fingerprint, text]);
  const problems: { text: string; problem: string }[] = [];
  const open = wanted.filter(({ text }) => log.get(keyOf(text)) === undefined);
  for (let first = 0; first < open.length; first += translator.batchSize) {
    if (options.signal?.aborted) throw new CancelledError("Translating");
    const batch = open.slice(first, first + translator.batchSize);
    const translated = await translator.translate(batch, options.signal);
    if (options.signal?.aborted) throw new CancelledError("Translating");
    for (const [index, text] of translated.entries()) {
      const { text: original } = batch[index]!;
      if (typeof text === "string") log.add({ key: keyOf(original), text });
      else problems.push({ text: original, problem: text.message });
    }
    options.onProgress?.(Math.min(first + batch.length, open.length), open.length);
  }
  const pairs = wanted.flatMap(({ text, to }): [string, Translation][] => {
    const translation = log.get(keyOf(text));
    return translation ? [[text, { language: to, text: translation.text }]] : [];
  });
  return { texts: new Map(pairs), problems };
}
