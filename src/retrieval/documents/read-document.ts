/** A file by its ending → a document. Every failure names the file, so that whoever indexes a folder can report it and go on. */
import { readFile } from "node:fs/promises";
import { basename, extname } from "node:path";
import { readText } from "../../data/read/text-file.ts";
import { DocumentError } from "../../errors/document-error.ts";
import { RemoraError } from "../../errors/remora-error.ts";
import { cleanLine, cleanText, type Document, type Section } from "./document.ts";
import { readDocx } from "./docx.ts";
import { readHtml } from "./html.ts";
import { readJsonLines } from "./json-lines.ts";
import { readMarkdown } from "./markdown.ts";
import { readPdf } from "./pdf.ts";

/** Larger files are refused: a document of this size is a mistake, and its reader would hold it whole. JSONL streams and has no limit. */
const MAX_DOCUMENT_BYTES = 256 * 2 ** 20;

const KINDS: Readonly<Record<string, "markdown" | "text" | "html" | "pdf" | "docx" | "jsonl">> = {
  ".md": "markdown",
  ".markdown": "markdown",
  ".mdx": "markdown",
  ".txt": "text",
  ".text": "text",
  ".html": "html",
  ".htm": "html",
  ".xhtml": "html",
  ".pdf": "pdf",
  ".docx": "docx",
  ".jsonl": "jsonl",
  ".ndjson": "jsonl",
};

export const DOCUMENT_ENDINGS: readonly string[] = Object.keys(KINDS);

export const isDocument = (path: string): boolean => Object.hasOwn(KINDS, extname(path).toLowerCase());

export interface ReadDocumentOptions {
  readonly encoding?: string;
  readonly textColumns?: readonly string[];
  readonly signal?: AbortSignal;
}

/** @throws RemoraError that names the file */
export async function readDocument(path: string, options: ReadDocumentOptions = {}): Promise<Document> {
  const kind = KINDS[extname(path).toLowerCase()];
  const title = cleanLine(basename(path));
  if (!kind)
    throw new DocumentError(path, `expected a name ending in ${DOCUMENT_ENDINGS.join(", ")}`, "Convert the file, or name another.");
  try {
    const document = kind === "jsonl" ? await readJsonLines(path, title, options) : await readWhole(path, kind, title, options);
    if (document.sections.length === 0)
      throw new DocumentError(path, "expected text, found none", "The file is empty: remove it, or fill it.");
    return document;
  } catch (error) {
    if (RemoraError.isInstance(error) || options.signal?.aborted) throw error;
    throw new DocumentError(
      path,
      `the file cannot be read: ${cleanLine((error as Error).message)}`,
      "Check that it opens in its own program.",
      error,
    );
  }
}

async function readWhole(
  path: string,
  kind: "markdown" | "text" | "html" | "pdf" | "docx",
  title: string,
  options: ReadDocumentOptions,
): Promise<Document> {
  if (kind === "pdf" || kind === "docx") {
    const bytes = await readFile(path);
    checkSize(path, bytes.byteLength);
    return cleaned(kind === "pdf" ? await readPdf(path, bytes, title) : await readDocx(path, bytes, title));
  }
  let source = "";
  for await (const piece of readText(path, options.encoding, options.signal)) {
    source += piece;
    checkSize(path, source.length);
  }
  const text = cleanText(source);
  if (kind === "html") return cleaned(await readHtml(text, title));
  if (kind === "markdown") return readMarkdown(text, title);
  const sections: Section[] = text.trim() === "" ? [] : [{ headings: [], place: "", text: text.trim() }];
  return { title, sections };
}

function checkSize(path: string, bytes: number): void {
  if (bytes > MAX_DOCUMENT_BYTES)
    throw new DocumentError(path, `expected at most ${MAX_DOCUMENT_BYTES / 2 ** 20} MiB, found more`, "Split it into smaller files.");
}

/** What a format's own escapes spelt (`&#27;`) is cleaned as well. */
export function cleaned({ title, sections }: Document): Document {
  return {
    title: cleanLine(title),
    sections: sections
      .map(({ headings, place, text }) => ({ headings: headings.map(cleanLine), place, text: cleanText(text).trim() }))
      .filter(({ text }) => text !== ""),
  };
}
