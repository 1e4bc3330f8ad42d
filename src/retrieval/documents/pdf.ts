/** PDF: the text of each page. A scan has none, and says so; an encrypted file is refused by name. */
import { DocumentError } from "../../errors/document-error.ts";
import { cleanLine, type Document, type Section } from "./document.ts";

export async function readPdf(path: string, bytes: Uint8Array, fallbackTitle: string): Promise<Document> {
  const { extractText, getDocumentProxy, getMeta } = await import("unpdf");
  try {
    // verbosity 0: the library's own warnings about odd fonts are of no use to anybody here.
    const pdf = await getDocumentProxy(new Uint8Array(bytes), { verbosity: 0 });
    const { text } = await extractText(pdf, { mergePages: false });
    const { info } = await getMeta(pdf).catch(() => ({ info: {} as Record<string, unknown> }));
    const sections: Section[] = [];
    for (const [index, page] of text.entries()) {
      const words = joinLines(page).trim();
      if (words !== "") sections.push({ headings: [], place: `p. ${index + 1}`, text: words });
    }
    if (sections.length === 0) {
      throw new DocumentError(
        path,
        `expected text on its ${text.length === 1 ? "only page" : `${text.length} pages`}, found none`,
        "It is probably a scan: run text recognition (OCR) over it first.",
      );
    }
    const title = typeof info?.Title === "string" ? cleanLine(info.Title) : "";
    return { title: title || fallbackTitle, sections };
  } catch (cause) {
    if (cause instanceof DocumentError) throw cause;
    const isEncrypted = (cause as Error).name === "PasswordException" || /password/i.test((cause as Error).message);
    throw isEncrypted
      ? new DocumentError(path, "the PDF is encrypted and asks for a password", "Save a copy without a password.", cause)
      : new DocumentError(
          path,
          `expected a PDF, found damage: ${cleanLine((cause as Error).message)}`,
          "Open it in a viewer and save it again.",
          cause,
        );
  }
}

/** Lines of a page are where it was set, not where sentences end: between Japanese characters they join without a space. */
function joinLines(page: string): string {
  return page
    .replace(/(\p{L})-\n(?=\p{Ll})/gu, "$1")
    .replace(/(?<=[\u3000-\u30ff\u3400-\u9fff\uff00-\uffef])\n(?=[\u3000-\u30ff\u3400-\u9fff\uff00-\uffef])/g, "");
}
