/** The texts that `remora-tiny` is made from: where each lies in the data folder, its language, and its documents, unpacked by `xz`. */
import { spawnSync } from "node:child_process";
import { join } from "node:path";

export interface TextSource {
  /** Name of the source in the mix: one token file each. */
  readonly name: string;
  readonly language: "ja" | "en";
  readonly file: string;
}

export const TEXT_SOURCES: readonly TextSource[] = [
  { name: "ja-books-1", language: "ja", file: "ja-aozora-01" },
  { name: "ja-books-2", language: "ja", file: "ja-aozora-02" },
  { name: "ja-books-3", language: "ja", file: "ja-aozora-03" },
  { name: "en-books-1", language: "en", file: "en-books-01" },
  { name: "en-books-2", language: "en", file: "en-books-02" },
  { name: "en-books-3", language: "en", file: "en-books-03" },
  { name: "ja-wiki", language: "ja", file: "ja-wiki-jaquad" },
  { name: "ja-manual", language: "ja", file: "ja-pydocs" },
  { name: "en-wiki", language: "en", file: "en-wiki-squad" },
  { name: "en-factbook", language: "en", file: "en-factbook" },
];

/** `pairs.tsv.xz` holds the learners' sentences of translation/train.tsv and a manual's; the first are a source of their own. */
export const LEARNER_PAIRS = "translation/train.tsv";
export const PAIR_FILES = ["pairs.tsv.xz", "pairs-debian.tsv.xz"] as const;

/** Documents of this share at the start of each file are kept aside to score the model on; their order is random. */
export const HELD_OUT_SHARE = 0.004;

export function unpack(path: string): string {
  const { status, stdout, stderr } = spawnSync("xz", ["-dc", path], { maxBuffer: 2 ** 30 });
  if (status !== 0) throw new Error(`xz could not unpack ${path}: ${stderr}`);
  return stdout.toString("utf8");
}

export function readDocuments(dataFolder: string, file: string): { training: string[]; heldOut: string[] } {
  const documents = unpack(join(dataFolder, "pretrain", `${file}.txt.xz`))
    .replace(/\n$/, "")
    .split("\n<|doc|>\n");
  const count = Math.max(1, Math.round(documents.length * HELD_OUT_SHARE));
  return { heldOut: documents.slice(0, count), training: documents.slice(count) };
}

export function readPairs(text: string): [ja: string, en: string][] {
  return text
    .split("\n")
    .map((line) => line.split("\t"))
    .filter((pair): pair is [string, string] => pair.length === 2 && pair[0] !== "" && pair[1] !== "");
}
