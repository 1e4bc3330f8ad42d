/** Chunks to make questions from: those of an index, or of files cut the same way; with the encoder that the index was made with. */
import type { QuestionsConfig } from "../config/schemas/debate.ts";
import { IndexError } from "../errors/index-error.ts";
import { RemoraError } from "../errors/remora-error.ts";
import { sourceLabel } from "../retrieval/answer/prompt.ts";
import { cutChunks } from "../retrieval/chunks/cut-chunks.ts";
import { ruleOfThumb } from "../retrieval/chunks/token-counter.ts";
import { findDocuments } from "../retrieval/documents/find-documents.ts";
import { readDocument } from "../retrieval/documents/read-document.ts";
import type { Embedder } from "../retrieval/embedder.ts";
import { isIndex } from "../retrieval/store/document-index.ts";
import { openEmbedder } from "./open-embedder.ts";
import { openIndex } from "./open-sources.ts";

export interface Passage {
  readonly document: string;
  /** Where it stands, for people. */
  readonly label: string;
  /** Heading, line end, text. */
  readonly text: string;
}

export interface OpenedPassages {
  readonly passages: readonly Passage[];
  readonly embedder: Embedder | undefined;
  /** Files that could not be read. */
  readonly failures: readonly { readonly document: string; readonly reason: string }[];
  close(): Promise<void>;
}

/** @throws IndexError when there is nothing to ask about */
export async function openPassages(config: QuestionsConfig): Promise<OpenedPassages> {
  const paths = [config.documents].flat();
  const [path] = paths;
  const opened = paths.length === 1 && isIndex(path!) ? await fromIndex(path!, config) : await fromFiles(paths, config);
  if (opened.passages.length > 0) return opened;
  await opened.close();
  throw new IndexError(
    "Making questions from",
    paths.join(", "),
    "expected documents with text, found none",
    "Name the folder that holds the documents.",
  );
}

async function fromIndex(path: string, config: QuestionsConfig): Promise<OpenedPassages> {
  const { embedder, device, threads, offline } = config;
  const opened = await openIndex({ index: path, embedder, embedderPooling: "auto", device, threads, offline });
  const chunks = await opened.index.chunks();
  const passages = chunks.map((chunk) => ({ document: chunk.document, label: sourceLabel(chunk), text: chunk.full }));
  return { passages, embedder: opened.embedder, failures: [], close: () => opened.close() };
}

async function fromFiles(paths: readonly string[], config: QuestionsConfig): Promise<OpenedPassages> {
  const passages: Passage[] = [];
  const failures: { document: string; reason: string }[] = [];
  const textColumns = config.textColumns === undefined ? undefined : [config.textColumns].flat();
  for (const [name, path] of findDocuments(paths).documents) {
    try {
      const document = await readDocument(path, { encoding: config.encoding, textColumns });
      for (const { heading, place, text } of await cutChunks(document, config, ruleOfThumb))
        passages.push({
          document: name,
          label: sourceLabel({ document: name, heading, place }),
          text: heading === "" ? text : `${heading}\n${text}`,
        });
    } catch (error) {
      if (!RemoraError.isInstance(error)) throw error;
      failures.push({ document: name, reason: error.problem });
    }
  }
  const { embedder: model, device, threads, offline } = config;
  const embedder = model === undefined || model === "none" ? undefined : await openEmbedder({ model, device, threads, offline });
  return { passages, embedder, failures, close: async () => embedder?.close() };
}
