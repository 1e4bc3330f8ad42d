/**
 * What a model card tells, gathered from the files that a run and a save left: `config.json`, `metrics.jsonl`, `adapter_config.json`,
 * `save-report.json`. Everything may be absent; a card says what is known. No path of this machine is kept.
 */
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { basename, dirname, join, resolve } from "node:path";
import { readProofFigures } from "../../config/proof-figures.ts";
import type { ProofFigures, SaveReport } from "../../config/reports.ts";
import { readJsonObject } from "../../formats/json-file.ts";

export type SavedKind = "adapter" | "16bit" | "nf4" | "gguf";

/** One point of a loss curve. */
export interface LossPoint {
  readonly step: number;
  readonly loss: number;
}

export interface RunFacts {
  readonly kind: SavedKind;
  /** `owner/name` when the base is on the Hub, else the last part of its path; undefined when not known. */
  readonly base: { readonly name: string; readonly onHub: boolean } | undefined;
  /** Names of data: Hub repositories as they are, files by their last part. */
  readonly data: readonly { readonly name: string; readonly onHub: boolean }[];
  /** Where the data stood, for a look at its language; not for the card. */
  readonly dataPaths: readonly string[];
  /** A preset's name, or the template's own text. */
  readonly template: string | undefined;
  /** The run's resolved options. */
  readonly config: Readonly<Record<string, unknown>> | undefined;
  readonly training: readonly LossPoint[];
  readonly heldOut: readonly (LossPoint & { readonly perplexity?: number })[];
  /** The events `run-start` and `run-end`. */
  readonly start: Readonly<Record<string, unknown>> | undefined;
  readonly end: Readonly<Record<string, unknown>> | undefined;
  /** Only the fields that the file really has. */
  readonly proof: Partial<ProofFigures> | undefined;
  readonly ggufFiles: readonly string[];
}

/** @param run the run's folder, when the user names it */
export function gatherFacts(folder: string, run: string | undefined): RunFacts {
  const saved = readIfThere(join(folder, "save-report.json"));
  // A report of another version is taken as far as it goes: the card checks every field.
  const proof = readProofFigures(saved) ?? (saved as Partial<ProofFigures> | undefined);
  const runFolder = run ?? findRun(folder, (saved as Partial<SaveReport> | undefined)?.adapters?.[0]?.path);
  const config = runFolder === undefined ? undefined : readIfThere(join(runFolder, "config.json"));
  const events = runFolder === undefined ? [] : readEvents(join(runFolder, "metrics.jsonl"));
  const adapter = readIfThere(join(folder, "adapter_config.json"));
  const notes = readIfThere(join(folder, "remora.json"));
  const named = [adapter?.base_model_name_or_path, config?.model, proof?.base].find((each) => typeof each === "string" && each !== "");
  const paths = [config?.data ?? []].flat().filter((each): each is string => typeof each === "string");
  const points = (event: string) => events.filter((each) => each.event === event) as unknown as (LossPoint & { perplexity?: number })[];
  return {
    kind: kindOf(folder),
    base: named === undefined ? undefined : publicName(named as string),
    data: paths.map(publicName),
    dataPaths: paths,
    template: [notes?.template, config?.template].find((each): each is string => typeof each === "string"),
    config,
    training: points("step-end"),
    heldOut: points("eval-end"),
    start: events.find(({ event }) => event === "run-start"),
    end: events.findLast(({ event }) => event === "run-end"),
    proof,
    ggufFiles: ggufsIn(folder),
  };
}

/** A run's folder is known by its metrics: the folder above `adapter/` or `model/`, or the one above the adapter that was merged. */
function findRun(folder: string, adapter: unknown): string | undefined {
  const above = [folder, dirname(resolve(folder)), ...(typeof adapter === "string" ? [dirname(resolve(adapter))] : [])];
  return above.find((each) => existsSync(join(each, "metrics.jsonl")) && existsSync(join(each, "config.json")));
}

function kindOf(folder: string): SavedKind {
  if (existsSync(join(folder, "adapter_config.json"))) return "adapter";
  if (ggufsIn(folder).length > 0) return "gguf";
  const quantization = readIfThere(join(folder, "config.json"))?.quantization_config as { load_in_4bit?: unknown } | undefined;
  return quantization?.load_in_4bit === true ? "nf4" : "16bit";
}

const ggufsIn = (folder: string): string[] =>
  existsSync(folder)
    ? readdirSync(folder)
        .filter((name) => name.endsWith(".gguf"))
        .sort()
    : [];

/** How a model or a data set may be called in public. A snapshot of the cache is the repository it came from. */
export function publicName(name: string): { name: string; onHub: boolean } {
  const cached = /(?:models|datasets)--([^/\\]+?)--([^/\\]+)[/\\]snapshots[/\\]/.exec(name);
  if (cached) return { name: `${cached[1]}/${cached[2]}`, onHub: true };
  const plain = name.replace(/^hf:\/\/(datasets\/)?/, "");
  const onHub = /^([A-Za-z0-9][\w.-]*\/[A-Za-z0-9][\w.-]*?)(@[^/]+)?(\/.+\.\w+)?$/.exec(plain);
  if (onHub && (name.startsWith("hf://") || (!existsSync(name) && !onHub[3]))) return { name: onHub[1]!, onHub: true };
  return { name: basename(name.replaceAll("\\", "/")) || name, onHub: false };
}

function readIfThere(path: string): Record<string, unknown> | undefined {
  return existsSync(path) ? readJsonObject(path) : undefined;
}

/** A killed run may have left half a line. */
function readEvents(path: string): Record<string, unknown>[] {
  if (!existsSync(path)) return [];
  return readFileSync(path, "utf8")
    .split("\n")
    .flatMap((line) => {
      try {
        return line === "" ? [] : [JSON.parse(line) as Record<string, unknown>];
      } catch {
        return [];
      }
    });
}
