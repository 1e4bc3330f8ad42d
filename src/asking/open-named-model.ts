/** From a model's name to a model that answers; see model-name.ts for the names. */

import { parseConfig } from "../config/parse.ts";
import { sessionSchema } from "../config/schemas/generate.ts";
import { openModel } from "../engine/index.ts";
import { CancelledError } from "../errors/cancelled-error.ts";
import { resolveAdapter } from "../hub/resolve-adapter.ts";
import { resolveModel } from "../hub/resolve-model.ts";
import { withCache } from "./answer-cache.ts";
import { type ModelName, parseModelName } from "./model-name.ts";
import type { NamedModel } from "./named-model.ts";
import { openRemoteModel } from "./remote-model.ts";
import { weightsFingerprint } from "./weights-fingerprint.ts";

export interface OpenNamedModelOptions {
  /** Answers are kept here and not asked for again. @default none are kept */
  readonly cache?: string;
  /** @default 8 local, 4 remote */
  readonly concurrency?: number;
  /** Tries after the first, remote. @default 2 */
  readonly maxRetries?: number;
  /** Of one remote answer, all tries together. @default 120,000 */
  readonly timeoutMs?: number;
  /** Options of `openModel` for local models; what the name says wins. */
  readonly local?: Readonly<Record<string, unknown>>;
  readonly env?: Readonly<Record<string, string | undefined>>;
}

/** @throws ConfigError for a name that means nothing or a key that is missing; what `openModel` throws */
export async function openNamedModel(name: string, options: OpenNamedModelOptions = {}): Promise<NamedModel> {
  const parsed = parseModelName(name);
  const { env = process.env } = options;
  const model =
    parsed.kind === "local"
      ? await openLocal(name, parsed, options)
      : await openRemoteModel(name, parsed, {
          env,
          maxRetries: options.maxRetries ?? 2,
          timeoutMs: options.timeoutMs ?? 120_000,
          concurrency: options.concurrency ?? 4,
        });
  return options.cache === undefined ? model : withCache(model, options.cache);
}

async function openLocal(name: string, parsed: ModelName & { kind: "local" }, options: OpenNamedModelOptions): Promise<NamedModel> {
  const concurrency = options.concurrency ?? 8;
  const { contextLength, ...texts } = parsed.options;
  const named = { ...texts, ...(contextLength !== undefined && { contextLength: Number(contextLength) }) };
  const config = parseConfig(sessionSchema, { slots: concurrency, ...options.local, model: parsed.model, ...named }, `Opening ${name}`);
  const { path } = await resolveModel(config.model, { offline: config.offline, env: process.env });
  const session = await openModel(config);
  // Where it runs and how many at once change no answer within the dtype's tolerance; everything else may.
  const { model: _, adapter: asked, device: __, threads: ___, slots: ____, cacheTokens: _____, offline: ______, ...settings } = config;
  const adapter = asked && (await resolveAdapter(asked, { offline: config.offline, env: process.env }));
  return {
    name,
    fingerprint: JSON.stringify([weightsFingerprint(path), adapter && weightsFingerprint(adapter), session.template, settings]),
    concurrency,
    async ask(request, { onText, signal } = {}) {
      const [answer] = await session.generate([request], { onText, signal });
      if (answer!.finishReason === "cancelled") throw new CancelledError(`Asking ${name}`);
      return answer!;
    },
    close: () => session.close(),
  };
}
