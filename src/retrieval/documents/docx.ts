/** DOCX: turned into plain HTML by mammoth, headings kept, then read as HTML. */
import { DocumentError } from "../../errors/document-error.ts";
import type { Document } from "./document.ts";
import { cleanLine } from "./document.ts";
import { readHtml } from "./html.ts";

/** Office wraps an encrypted file into the old container format, whose first bytes these are. */
const OLD_CONTAINER = [0xd0, 0xcf, 0x11, 0xe0];

export async function readDocx(path: string, bytes: Uint8Array, fallbackTitle: string): Promise<Document> {
  if (OLD_CONTAINER.every((byte, index) => bytes[index] === byte)) {
    throw new DocumentError(path, "the document is encrypted, or in the old .doc format", "Save it as .docx without a password.");
  }
  const { default: mammoth } = await import("mammoth");
  try {
    const { value } = await mammoth.convertToHtml(
      { buffer: Buffer.from(bytes) },
      { convertImage: mammoth.images.imgElement(async () => ({ src: "" })) },
    );
    return await readHtml(value, fallbackTitle, { article: false });
  } catch (cause) {
    throw new DocumentError(
      path,
      `expected a DOCX file, found damage: ${cleanLine((cause as Error).message)}`,
      "Open it and save it again.",
      cause,
    );
  }
}
