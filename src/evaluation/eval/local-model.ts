/** A model of this machine as a comparison asks it: opened with the first question, closed when its variants are done. */
import { createHash } from "node:crypto";
import { readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import type { AskAnswer, AskRequest } from "../../config/reports.ts";
import { openModel, type Session } from "../../engine/index.ts";
import { resolveAdapter } from "../../hub/resolve-adapter.ts";
import { resolveModel } from "../../hub/resolve-model.ts";
import type { EvalModel } from "./answer-variant.ts";

type SessionConfig = Parameters<typeof openModel>[0];

/** Requests in flight: the engine batches what overlaps. */
const CONCURRENCY = 8;

export async function localModel(config: SessionConfig, named: string | undefined): Promise<EvalModel> {
  const place = { offline: config.offline ?? false, env: process.env };
  const { path } = await resolveModel(config.model, place);
  const adapter = named === undefined ? undefined : await resolveAdapter(named, place);
  const settings = { ...config, adapter };
  let session: Promise<Session> | undefined;
  const open = () => {
    session ??= openModel(settings);
    return session;
  };
  return {
    fingerprint: fingerprintOf(settings, path, adapter),
    description: named === undefined ? config.model : `${config.model} with the adapter ${named}`,
    concurrency: CONCURRENCY,
    template: async () => (await open()).template,
    async ask(request: AskRequest, { signal }): Promise<AskAnswer> {
      const [answer] = await (await open()).generate([request], { signal });
      return answer!;
    },
    async close() {
      const opened = await session?.catch(() => undefined);
      session = undefined;
      await opened?.close();
    },
  };
}

/** Of the settings, the weights' size and time, and the adapter's bytes: reading gigabytes to name them would take longer than asking. */
function fingerprintOf(settings: SessionConfig, path: string, adapter: string | undefined): string {
  const { threads: _, device: _1, offline: _2, ...asked } = settings;
  const hash = createHash("sha256").update(JSON.stringify(asked));
  for (const file of statSync(path).isDirectory() ? ["config.json", "model.safetensors", "model.safetensors.index.json"] : [""]) {
    const stat = statSync(join(path, file), { throwIfNoEntry: false });
    if (stat) hash.update(`${file} ${stat.size} ${stat.mtimeMs}`);
  }
  if (adapter !== undefined) hash.update(readFileSync(join(adapter, "adapter_model.safetensors")));
  return hash.digest("hex").slice(0, 24);
}
