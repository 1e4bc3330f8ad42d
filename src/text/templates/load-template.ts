/**
 * From what a user names to a `Template`: a preset, a file (`.jinja`, or `.txt` and others in Python's `{}` style), or the text itself.
 */
import { existsSync, readFileSync } from "node:fs";
import { basename } from "node:path";
import { TemplateError } from "../../errors/template-error.ts";
import type { Tokenizer } from "../tokenizer.ts";
import { ChatTemplate } from "./chat-template.ts";
import { FormatTemplate } from "./format-template.ts";
import { JinjaTemplate } from "./jinja-template.ts";
import { PRESET_NAMES, PRESET_SOURCES } from "./presets.ts";
import type { Template } from "./template.ts";

const isJinja = (source: string): boolean => /\{%|\{\{-?\s*[A-Za-z_][\w.]*\s*(\||\(|\[|-?\}\})/.test(source);
const isFormat = (source: string): boolean => /\{([A-Za-z_][A-Za-z0-9_]*)?\}/.test(source);
/** A chat template walks over messages. */
const isChat = (source: string): boolean => /\{%-?\s*for\s+\w+\s+in\s+[^%]*messages|\bmessages\s*\[/.test(source);

/** @throws TemplateError when the name is neither a preset nor a file nor template text */
export function loadTemplate(nameOrSource: string, tokenizer: Tokenizer): Template {
  if (nameOrSource === "chat") return new ChatTemplate(tokenizer);
  const preset = Object.hasOwn(PRESET_SOURCES, nameOrSource) ? PRESET_SOURCES[nameOrSource] : undefined;
  if (preset !== undefined) return new JinjaTemplate(nameOrSource, preset, tokenizer, { plainText: nameOrSource === "raw" });
  const isFile = !nameOrSource.includes("\n") && existsSync(nameOrSource);
  const source = isFile ? readFileSync(nameOrSource, "utf8").replace(/^\uFEFF/, "") : nameOrSource;
  const name = isFile ? basename(nameOrSource) : "(inline)";
  if (isChat(source)) return new ChatTemplate(tokenizer, source, name);
  if (isJinja(source) || (isFile && /\.(jinja2?|j2)$/.test(nameOrSource))) return new JinjaTemplate(name, source, tokenizer);
  if (isFormat(source)) return new FormatTemplate(name, source, tokenizer);
  if (isFile) {
    throw new TemplateError(
      name,
      "expected {{ output }} (Jinja) or three {} (plain text) in the file, found neither",
      "See docs/guides/templates.md.",
    );
  }
  throw new TemplateError(
    nameOrSource.length > 60 ? `${nameOrSource.slice(0, 60)}…` : nameOrSource,
    `expected one of ${PRESET_NAMES.join(", ")}, a file, or template text with {{ output }} or {}, found none of them`,
    "Check the name or the path.",
  );
}
