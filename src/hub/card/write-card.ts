/** Puts `README.md` (and the loss curve beside it) into a folder that is about to be published. What somebody wrote by hand is kept. */
import { closeSync, existsSync, openSync, readFileSync, readSync } from "node:fs";
import { join } from "node:path";
import { parse } from "yaml";
import { writeFileAtomically } from "../../formats/atomic-file.ts";
import { type Environment, findInCache, hubCacheFolder } from "../hub-cache.ts";
import { resolveData } from "../resolve-data.ts";
import { detectLanguages } from "./languages.ts";
import { drawLossCurve } from "./loss-curve.ts";
import { type BaseCard, modelCard } from "./model-card.ts";
import { gatherFacts, type RunFacts } from "./run-facts.ts";

export interface WriteCardOptions {
  readonly folder: string;
  /** `owner/name` */
  readonly repository: string;
  readonly run: string | undefined;
  /** Also where there is a README.md. */
  readonly replace: boolean;
  readonly env: Environment;
}

const PICTURE = "loss.png";
/** Enough of the data to see its language. */
const SAMPLE_BYTES = 200_000;

/** @returns what was written, or undefined when the card that is there was kept. @throws FileAccessError · FileFormatError */
export async function writeCard({ folder, repository, run, replace, env }: WriteCardOptions): Promise<string | undefined> {
  const path = join(folder, "README.md");
  if (existsSync(path) && !replace) return undefined;
  const facts = gatherFacts(folder, run);
  const picture = drawLossCurve(facts.training, facts.heldOut);
  if (picture) await writeFileAtomically(join(folder, PICTURE), picture);
  const base = baseCard(facts, env);
  const languages = await languagesOf(facts, env);
  const card = modelCard(facts, {
    repository,
    base,
    languages: languages.length > 0 ? languages : base.languages,
    picture: picture && PICTURE,
  });
  await writeFileAtomically(path, card);
  return path;
}

/** The licence of what was tuned holds for what came out; known when the base came from the Hub and its card is in the cache. */
function baseCard({ base }: RunFacts, env: Environment): BaseCard & { languages: string[] } {
  const [owner, name] = base?.onHub ? base.name.split("/") : [];
  if (!owner || !name) return { languages: [] };
  const found = findInCache(hubCacheFolder(env), { type: "model", owner, name });
  const path = found.kind === "found" ? join(found.folder, "README.md") : "";
  const head = existsSync(path) ? /^---\r?\n(.*?)\r?\n---/s.exec(readFileSync(path, "utf8"))?.[1] : undefined;
  let fields: Record<string, unknown> = {};
  try {
    fields = (parse(head ?? "") as Record<string, unknown> | null) ?? {};
  } catch {
    // A card that is not YAML says nothing about its licence.
  }
  const words = (field: string): string | undefined => (typeof fields[field] === "string" ? (fields[field] as string) : undefined);
  return {
    license: words("license"),
    licenseName: words("license_name"),
    licenseLink: words("license_link"),
    languages: [fields.language ?? []].flat().filter((each): each is string => typeof each === "string"),
  };
}

async function languagesOf({ dataPaths }: RunFacts, env: Environment): Promise<string[]> {
  // Data of the Hub is in the cache when this machine trained on it; elsewhere the card does without.
  const found = await Promise.all(dataPaths.map((path) => resolveData([path], { offline: true, env }).catch(() => [])));
  const paths = found.flat();
  return detectLanguages(
    paths
      .filter((path) => /\.(jsonl?|ndjson|csv|tsv|txt|md)$/i.test(path) && existsSync(path))
      .map(readStart)
      .join("\n"),
  );
}

function readStart(path: string): string {
  const file = openSync(path, "r");
  try {
    const buffer = Buffer.alloc(SAMPLE_BYTES);
    // JSON may write letters as \uXXXX.
    const text = buffer.toString("utf8", 0, readSync(file, buffer, 0, SAMPLE_BYTES, 0));
    return text.replace(/\\u([0-9a-f]{4})/gi, (_, code: string) => String.fromCharCode(Number.parseInt(code, 16)));
  } finally {
    closeSync(file);
  }
}
