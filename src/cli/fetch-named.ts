/**
 * Fetches what a command names on the Hub before the command starts, where a person can watch and stop it. The engine then finds it in the
 * cache; what is there already costs nothing.
 */
import { parseModelName } from "../asking/model-name.ts";
import { resolveAdapter } from "../hub/resolve-adapter.ts";
import { resolveData } from "../hub/resolve-data.ts";
import { resolveModel } from "../hub/resolve-model.ts";
import type { Io } from "./io.ts";
import { TransferProgress } from "./render/transfer-progress.ts";

export async function fetchNamed(config: Readonly<Record<string, unknown>>, io: Io, signal: AbortSignal): Promise<void> {
  const progress = new TransferProgress(io);
  const options = { offline: config.offline === true, env: io.env, signal, onEvent: progress.show };
  const { model, adapter, data, rows } = config;
  try {
    const named = typeof model === "string" ? parseModelName(model) : undefined;
    if (named?.kind === "local") await resolveModel(named.model, options);
    if (typeof adapter === "string") await resolveAdapter(adapter, options);
    const files = [data, rows].flat().filter((each) => typeof each === "string");
    await resolveData(files, options);
  } finally {
    progress.end();
  }
}
