/**
 * Data by name: `hf://owner/name`, `hf://owner/name@revision`, `hf://owner/name/folder/file.jsonl` (with `hf://datasets/owner/name` meaning the
 * same) become files of the cache; everything else is a path and stays as it is.
 *
 * Without a file the repository's card decides (its first config's training files), else the names: files of the training split, else all.
 */
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { parse } from "yaml";
import { DataError } from "../errors/data-error.ts";
import type { RemoteFile } from "./client/list-tree.ts";
import { ensureSnapshot, type FetchOptions } from "./ensure-snapshot.ts";
import { listFiles } from "./list-files.ts";

/** What the data readers can read. */
const READABLE = /\.(json|jsonl|ndjson|csv|tsv|parquet|xlsx|txt)$/i;
/** JSON files that describe a repository instead of holding rows. */
const NOT_DATA = /(^|\/)(dataset_infos?|dataset_dict|state|config|tokenizer\w*|special_tokens_map)\.json$|^\.|\/\./i;
const HELD_OUT = /(^|[/._-])(test|valid|validation|dev|eval)([/._-]|$)/i;
const TRAINING = /(^|[/._-])train/i;

const REFERENCE =
  /^hf:\/\/(?:datasets\/)?([A-Za-z0-9._-]{1,96})\/([A-Za-z0-9._-]{1,96})(?:@([A-Za-z0-9][A-Za-z0-9._-]*|refs\/[A-Za-z0-9._/-]+?))?(?:\/(.+))?$/;

const isHubData = (name: string): boolean => name.startsWith("hf://");

/** @returns paths of files. @throws DataError · HubRefusedError · HubUnavailableError */
export async function resolveData(names: readonly string[], options: FetchOptions): Promise<string[]> {
  const found: string[] = [];
  for (const name of names) found.push(...(isHubData(name) ? await resolveOne(name, options) : [name]));
  return found;
}

async function resolveOne(name: string, options: FetchOptions): Promise<string[]> {
  const [, owner, repository, revision, file] = REFERENCE.exec(name) ?? [];
  if (!owner || !repository || /(^|\/)\.\.?(\/|$)/.test(name.slice(5))) {
    throw new DataError(
      { file: name },
      "this is not a way to name data on the Hub",
      "Write hf://owner/name, hf://owner/name@revision or hf://owner/name/file.jsonl.",
    );
  }
  const pick = (paths: readonly string[], card: string | undefined): string[] => {
    const readable = paths.filter((path) => READABLE.test(path) && !NOT_DATA.test(path)).sort();
    if (file !== undefined) return readable.filter(matcher(file));
    const named = card === undefined ? [] : trainingPatterns(card).flatMap((pattern) => readable.filter(matcher(pattern)));
    if (named.length > 0) return [...new Set(named)];
    const training = readable.filter((path) => TRAINING.test(path) && !HELD_OUT.test(path));
    return training.length > 0 ? training : readable.filter((path) => !HELD_OUT.test(path));
  };
  const nothing = (where: string, paths: readonly string[]): DataError => {
    const some = paths.filter((path) => READABLE.test(path)).slice(0, 8);
    const next =
      some.length > 0
        ? `It has ${some.join(", ")}: name one as hf://${owner}/${repository}/${some[0]}.`
        : "remora reads JSON, JSONL, CSV, TSV, Parquet and XLSX.";
    return new DataError({ file: name }, `${where} has no ${file ?? "data file"}`, next);
  };
  // The card has to be read before its files can be chosen; until then every readable file is a candidate.
  const choose = (files: readonly RemoteFile[]) => {
    const paths = files.map(({ path }) => path);
    const chosen = new Set(
      file === undefined ? paths.filter((path) => READABLE.test(path) && !HELD_OUT.test(path)) : pick(paths, undefined),
    );
    if (chosen.size === 0) throw nothing("the repository", paths);
    return {
      wanted: files.filter(({ path }) => chosen.has(path) || path === "README.md"),
      skipped: files.filter(({ path }) => !chosen.has(path) && path !== "README.md"),
    };
  };
  const { folder } = await ensureSnapshot({
    repository: { type: "dataset", owner, name: repository },
    revision,
    choose,
    problemOf: (snapshot) =>
      pick(listFiles(snapshot), cardOf(snapshot)).length > 0 ? undefined : `${snapshot} has no ${file ?? "data file"}`,
    refuse: (problem, next) => new DataError({ file: name }, problem, next),
    options,
  });
  const paths = listFiles(folder);
  const picked = pick(paths, cardOf(folder));
  if (picked.length === 0) throw nothing(folder, paths);
  return picked.map((path) => join(folder, path));
}

function cardOf(folder: string): string | undefined {
  const path = join(folder, "README.md");
  return existsSync(path) ? readFileSync(path, "utf8") : undefined;
}

/** `configs:` of a card's front matter: patterns of the training files of the default config, else of the first. */
function trainingPatterns(card: string): string[] {
  const head = /^---\r?\n(.*?)\r?\n---/s.exec(card)?.[1];
  if (head === undefined) return [];
  let configs: unknown;
  try {
    configs = (parse(head) as { configs?: unknown } | null)?.configs;
  } catch {
    return []; // a card that is not YAML says nothing; names decide
  }
  if (!Array.isArray(configs) || configs.length === 0) return [];
  const config = configs.find((each) => each?.config_name === "default" || each?.default === true) ?? configs[0];
  const files: unknown = config?.data_files;
  if (typeof files === "string") return [files];
  if (!Array.isArray(files)) return [];
  return files
    .flatMap((each) => (typeof each === "string" ? [each] : each?.split === "train" ? [each.path].flat() : []))
    .filter((each) => typeof each === "string");
}

/** A pattern with `*` and `**` as a test of whole paths. */
function matcher(pattern: string): (path: string) => boolean {
  const text = pattern
    .split(/(\*\*\/?|\*|\?)/)
    .map((part) =>
      part === "*" ? "[^/]*" : part === "?" ? "[^/]" : part.startsWith("**") ? ".*" : part.replace(/[.+^${}()|[\]\\]/g, "\\$&"),
    )
    .join("");
  const whole = new RegExp(`^${text}$`);
  return (path) => whole.test(path);
}
