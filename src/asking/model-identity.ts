/** What a model's name stands for today, without loading it: for keys of work that is kept. */
import { resolveAdapter } from "../hub/resolve-adapter.ts";
import { resolveModel } from "../hub/resolve-model.ts";
import { parseModelName } from "./model-name.ts";
import { weightsFingerprint } from "./weights-fingerprint.ts";

/** @returns for local models the name with fingerprints of its weights and adapter; for remote ones the name */
export async function modelIdentity(name: string, offline: boolean): Promise<string> {
  const parsed = parseModelName(name);
  if (parsed.kind === "remote") return name;
  const place = { offline, env: process.env };
  const { path } = await resolveModel(parsed.model, place);
  const { adapter } = parsed.options;
  return JSON.stringify([name, weightsFingerprint(path), adapter && weightsFingerprint(await resolveAdapter(adapter, place))]);
}
