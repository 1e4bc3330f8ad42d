/** The run that an adapter came out of, known by the `config.json` that it left: the adapter's folder stands in the run's, or in a checkpoint of it. */
import { existsSync, readFileSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { parseConfig } from "../config/parse.ts";
import { type TrainConfig, trainOptions } from "../config/schemas/train.ts";
import { ConfigError } from "../errors/config-error.ts";
import { ConfigFileError } from "../errors/config-file-error.ts";

export interface AdapterRun {
  /** Of the run's config.json. */
  readonly path: string;
  readonly config: TrainConfig;
}

const NEXT = "Mend it, or move it away and name --model, --trained-as and --template yourself.";

/**
 * @returns undefined for an adapter without a run
 * @throws ConfigFileError when a run's config.json is there and cannot be read: what it says of base and template would be lost
 */
export function readAdapterRun(adapter: string): AdapterRun | undefined {
  const parent = dirname(resolve(adapter));
  for (const folder of [parent, dirname(parent)]) {
    const path = join(folder, "config.json");
    if (!existsSync(path)) continue;
    const isRun = existsSync(join(folder, "metrics.jsonl"));
    const fields = readFields(path, isRun);
    // A model's config.json has the same name, and no reasons.
    if (fields === undefined || (!isRun && typeof fields.reasons !== "object")) continue;
    return { path, config: checked(path, fields) };
  }
  return undefined;
}

function readFields(path: string, isRun: boolean): Record<string, unknown> | undefined {
  try {
    return JSON.parse(readFileSync(path, "utf8")) as Record<string, unknown>;
  } catch (cause) {
    if (!isRun) return undefined;
    throw new ConfigFileError(path, `expected the run's options as JSON (${(cause as Error).message})`, { next: NEXT, cause });
  }
}

/** Options only: the file also holds reasons, and names that another version knew. */
function checked(path: string, fields: Record<string, unknown>): TrainConfig {
  const known = Object.fromEntries(Object.entries(fields).filter(([name]) => name in trainOptions.shape));
  try {
    return parseConfig(trainOptions, known, `Reading the run's options in ${path}`);
  } catch (cause) {
    if (!ConfigError.isInstance(cause)) throw cause;
    throw new ConfigFileError(path, cause.problem, { next: NEXT, cause });
  }
}
