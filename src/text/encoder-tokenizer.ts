/**
 * What an encoder's tokenizer adds to a text: `[CLS] … [SEP]`, `<s> … </s>`. Everything else is the tokenizer of any model; see `tokenizer.ts`.
 * The frame is read from the post-processor of tokenizer.json, or from a GGUF file's token ids.
 */
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { TokenizerError } from "../errors/tokenizer-error.ts";
import type { EncoderTokenizer } from "./framed-tokenizer.ts";
import { readGgufEncoderTokenizer } from "./gguf-encoder-tokenizer.ts";
import type { GgufMetadata } from "./gguf-tokenizer.ts";
import { readHfTokenizer } from "./hf-tokenizer.ts";
import type { Tokenizer } from "./tokenizer.ts";
import { type ComponentJson, flattenComponent } from "./tokenizer-json.ts";

export type { EncoderTokenizer } from "./framed-tokenizer.ts";

export type EncoderTokenizerSource =
  | { readonly kind: "folder"; readonly path: string }
  | { readonly kind: "gguf"; readonly path: string; readonly metadata: GgufMetadata };

/** @throws TokenizerError */
export function readEncoderTokenizer(source: EncoderTokenizerSource): EncoderTokenizer {
  if (source.kind === "gguf") return readGgufEncoderTokenizer(source.metadata, source.path);
  const tokenizer = readHfTokenizer(source.path);
  const path = join(source.path, "tokenizer.json");
  const json = existsSync(path)
    ? (JSON.parse(readFileSync(path, "utf8").replace(/^\uFEFF/, "")) as { post_processor?: ComponentJson })
    : {};
  return { tokenizer, ...frameOf(json.post_processor, tokenizer, path) };
}

/** @param limit tokens of the result at most; the end of a longer text is left off, the frame stays */
export function encodeFramed({ tokenizer, before, after }: EncoderTokenizer, text: string, limit: number): number[] {
  const ids = tokenizer.encode(text);
  const room = Math.max(0, limit - before.length - after.length);
  return [...before, ...(ids.length > room ? ids.slice(0, room) : ids), ...after];
}

function frameOf(processor: ComponentJson | undefined, tokenizer: Tokenizer, source: string): Pick<EncoderTokenizer, "before" | "after"> {
  const id = (token: string): number => {
    const found = tokenizer.idOf(token);
    if (found === undefined) throw new TokenizerError(source, `the special token ${JSON.stringify(token)} is not in the vocabulary`);
    return found;
  };
  for (const part of flattenComponent(processor)) {
    // Two older spellings name the end first: { sep: ["[SEP]", 102], cls: ["[CLS]", 101] }.
    if (part.type === "BertProcessing" || part.type === "RobertaProcessing") {
      const [cls, sep] = [part.cls, part.sep] as [[string, number], [string, number]];
      return { before: [id(cls[0])], after: [id(sep[0])] };
    }
    if (part.type === "TemplateProcessing" && Array.isArray(part.single)) {
      const pieces = part.single as { SpecialToken?: { id: string }; Sequence?: unknown }[];
      const at = pieces.findIndex((piece) => piece.Sequence !== undefined);
      const ids = (list: typeof pieces) => list.flatMap((piece) => (piece.SpecialToken ? [id(piece.SpecialToken.id)] : []));
      return { before: ids(pieces.slice(0, at)), after: ids(pieces.slice(at + 1)) };
    }
  }
  throw new TokenizerError(
    source,
    "expected a post-processor that frames a text ([CLS] … [SEP]), found none",
    "Fetch the encoder's tokenizer.json again.",
  );
}
