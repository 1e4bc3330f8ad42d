/**
 * The file that carries another program's next-token distributions to us: a safetensors file with, for each text k,
 *
 *   text{k}.tokens        I32 [T]        what the model read, begin-of-text included
 *   text{k}.top.ids       I32 [T, K]     the K most likely next tokens after each position, most likely first
 *   text{k}.top.logprobs  F32 [T, K]     their natural log-probabilities under the whole softmax
 *
 * K is a thousand or so: what is missing is one number, the rest's mass, which `divergence.ts` counts as one more token. A vocabulary of
 * 262,144 at 2,000 positions would take 2 GB whole.
 */
import { readSafetensors, readTensorBytes, type TensorEntry, writeSafetensors } from "./formats.ts";

export interface ReferenceText {
  /** Where the text came from, for reports. */
  readonly name: string;
  /** [T] */
  readonly tokens: Int32Array;
  /** Number of likely tokens kept a position. */
  readonly top: number;
  /** [T, K] */
  readonly topIds: Int32Array;
  /** [T, K] */
  readonly topLogprobs: Float32Array;
}

export interface Reference {
  /** What computed it: program, version, model file. */
  readonly source: Readonly<Record<string, string>>;
  readonly texts: readonly ReferenceText[];
}

const bytesOf = (array: Int32Array | Float32Array): Uint8Array => new Uint8Array(array.buffer, array.byteOffset, array.byteLength);

export async function writeReference(path: string, reference: Reference): Promise<void> {
  const entries: TensorEntry[] = reference.texts.flatMap((text, index) => {
    const length = text.tokens.length;
    return [
      { name: `text${index}.tokens`, dtype: "I32", shape: [length], read: () => bytesOf(text.tokens) },
      { name: `text${index}.top.ids`, dtype: "I32", shape: [length, text.top], read: () => bytesOf(text.topIds) },
      { name: `text${index}.top.logprobs`, dtype: "F32", shape: [length, text.top], read: () => bytesOf(text.topLogprobs) },
    ];
  });
  const names = reference.texts.map((text) => text.name);
  await writeSafetensors(path, entries, { ...reference.source, texts: JSON.stringify(names) });
}

/** @throws FileFormatError when the file is not whole · Error when it is not one of these */
export function readReference(path: string): Reference {
  const file = readSafetensors(path);
  const { texts, ...source } = Object.fromEntries(file.metadata);
  const names = JSON.parse(texts ?? "null") as unknown;
  if (!Array.isArray(names)) throw new Error(`${path} carries no list of texts: it was not written by bench/parity/llama-cpp.ts`);
  const view = (name: string) => {
    const found = file.tensors.get(name);
    if (!found) throw new Error(`${path} has no tensor ${name}`);
    return { shape: found.shape, bytes: readTensorBytes(found).buffer as ArrayBuffer };
  };
  return {
    source,
    texts: names.map((name, index) => {
      const ids = view(`text${index}.top.ids`);
      return {
        name: String(name),
        tokens: new Int32Array(view(`text${index}.tokens`).bytes),
        top: ids.shape[1] ?? 0,
        topIds: new Int32Array(ids.bytes),
        topLogprobs: new Float32Array(view(`text${index}.top.logprobs`).bytes),
      };
    }),
  };
}
