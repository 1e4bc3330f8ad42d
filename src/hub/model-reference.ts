/**
 * What a user may call a model, told apart by its text alone:
 *
 *   ./folder  /a/model.gguf  ~/models/x  C:\x     a path
 *   shipped:NAME                                  a model that comes with the package
 *   hf://owner/name[@revision][/file.gguf]        a repository on the Hugging Face Hub, or one file of it
 *   owner/name[@revision][/file.gguf]             the same, unless such a folder is there
 *   NAME                                          a folder here, else shipped
 */

export type ModelReference =
  | { readonly kind: "path"; readonly path: string }
  | { readonly kind: "shipped"; readonly name: string }
  | HubReference
  | { readonly kind: "unknown" };

export interface HubReference {
  readonly kind: "hub";
  readonly owner: string;
  readonly name: string;
  /** Branch, tag or commit. */
  readonly revision: string | undefined;
  /** A file of the repository, for GGUF collections. */
  readonly file: string | undefined;
}

/** Names on the Hub: letters, digits, `-`, `_`, `.`, at most 96 characters, no leading or doubled dot. */
const PART = String.raw`(?!\.)(?!.*\.\.)[A-Za-z0-9._-]{1,96}`;
const HUB = new RegExp(String.raw`^(${PART})/(${PART}?)(?:@([A-Za-z0-9][A-Za-z0-9._/-]*?))?(?:/([^/\\@]+\.gguf))?$`);

export function parseModelReference(text: string): ModelReference {
  if (text.startsWith("shipped:")) return isPlainName(text.slice(8)) ? { kind: "shipped", name: text.slice(8) } : { kind: "unknown" };
  if (text.startsWith("hf://")) return parseHub(text.slice(5)) ?? { kind: "unknown" };
  if (/^([./\\~]|[A-Za-z]:[\\/])/.test(text) || text.includes("\\")) return { kind: "path", path: text };
  if (isPlainName(text)) return text.endsWith(".gguf") ? { kind: "path", path: text } : { kind: "shipped", name: text };
  return parseHub(text) ?? (text.includes("/") ? { kind: "path", path: text } : { kind: "unknown" });
}

/** As other programs know a model: `hf://owner/name@revision` is `owner/name` to them. What is not on the Hub stays as it is. */
export function publicModelName(text: string): string {
  const reference = text.startsWith("hf://") ? parseHub(text.slice(5)) : undefined;
  return reference && reference.file === undefined ? `${reference.owner}/${reference.name}` : text;
}

function parseHub(text: string): HubReference | undefined {
  const match = HUB.exec(text);
  if (!match || match[3]?.includes("..")) return undefined;
  return { kind: "hub", owner: match[1]!, name: match[2]!, revision: match[3], file: match[4] };
}

const isPlainName = (text: string): boolean => /^(?!\.)[A-Za-z0-9._-]{1,96}$/.test(text);
