/**
 * The parts of `tokenizer.json` that remora reads itself; normalizers, pre-tokenizers and decoders pass through to the library as they are.
 *
 * @see huggingface/tokenizers, the serialized form of `Tokenizer`
 */

export interface AddedTokenJson {
  id: number;
  content: string;
  single_word?: boolean;
  lstrip?: boolean;
  rstrip?: boolean;
  normalized?: boolean;
  special?: boolean;
}

/** A normalizer, pre-tokenizer, post-processor or decoder: `type` and whatever that type has. */
export interface ComponentJson {
  type: string;
  [field: string]: unknown;
}

export interface BpeJson {
  type: "BPE";
  /** A map when it was built in memory. */
  vocab: Record<string, number> | ReadonlyMap<string, number>;
  /** In order of rank: `"a b"`, `["a", "b"]`, or, built in memory, ids: left, right, merged, left, … */
  merges: readonly (string | readonly [string, string])[] | Int32Array;
  unk_token?: string | null;
  byte_fallback?: boolean;
  ignore_merges?: boolean;
  fuse_unk?: boolean;
}

export interface OtherModelJson {
  type: "Unigram" | "WordPiece";
  vocab: readonly (readonly [string, number])[] | Record<string, number>;
  unk_id?: number | null;
  unk_token?: string | null;
  [field: string]: unknown;
}

export interface TokenizerJson {
  version?: string;
  added_tokens: AddedTokenJson[];
  normalizer: ComponentJson | null;
  pre_tokenizer: ComponentJson | null;
  post_processor: ComponentJson | null;
  decoder: ComponentJson | null;
  model: BpeJson | OtherModelJson;
}

/** What stands beside `tokenizer.json`: special ids, conventions, chat template. Names of tokens, or ids. */
export interface TokenizerConventions {
  /** File or folder, for errors. */
  source: string;
  bos?: string | number;
  /** The first ends an answer in training; all end it when asking. */
  eos: readonly (string | number)[];
  pad?: string | number;
  addsBos?: boolean;
  chatTemplate?: string;
}

/** Every component of a tree of `Sequence`s, in order. */
export function flattenComponent(component: ComponentJson | null | undefined): ComponentJson[] {
  if (!component) return [];
  if (component.type !== "Sequence") return [component];
  const inner = component.normalizers ?? component.pretokenizers ?? component.processors ?? component.decoders;
  return Array.isArray(inner) ? inner.flatMap((each) => flattenComponent(each as ComponentJson)) : [];
}

/** The same component, without the space or `▁` it puts before the first word: for text that continues another. */
export function withoutPrefixSpace(component: ComponentJson | null): ComponentJson | null {
  if (!component) return null;
  switch (component.type) {
    case "Prepend":
      return null;
    case "Metaspace":
      return { ...component, prepend_scheme: "never", add_prefix_space: false };
    case "ByteLevel":
      return { ...component, add_prefix_space: false };
    case "Sequence": {
      const result: ComponentJson = { ...component };
      for (const key of ["normalizers", "pretokenizers"]) {
        const list = component[key];
        if (Array.isArray(list))
          result[key] = list.map((each) => withoutPrefixSpace(each as ComponentJson)).filter((each) => each !== null);
      }
      return result;
    }
    default:
      return component;
  }
}

/** How GPT-2 cuts text, built into the component `ByteLevel`. */
export const GPT2_PATTERN = "'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+|\\s+(?!\\S)|\\s+";

/**
 * Takes a `ByteLevel` off the end of a pre-tokenizer, leaving its cutting behind, so that words can be cached before they are turned into the
 * byte alphabet. Undefined when there is none, or when it would add a space.
 */
export function withoutByteLevel(component: ComponentJson | null): { cut: ComponentJson } | undefined {
  const parts = flattenComponent(component);
  const last = parts.at(-1);
  if (last?.type !== "ByteLevel" || last.add_prefix_space === true || parts.slice(0, -1).some((part) => part.type === "ByteLevel"))
    return undefined;
  const split: ComponentJson = { type: "Split", pattern: { Regex: GPT2_PATTERN }, behavior: "Isolated", invert: false };
  return { cut: { type: "Sequence", pretokenizers: [...parts.slice(0, -1), ...(last.use_regex === false ? [] : [split])] } };
}
