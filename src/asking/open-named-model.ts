/** From a model's name to a model that answers; see model-name.ts for the names. */

import { parseConfig } from "../config/parse.ts";
import type { AskSettings } from "../config/reports.ts";
import { sessionSchema } from "../config/schemas/generate.ts";
import { openModel, type Session } from "../engine/index.ts";
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
  /** Of requests that do not say otherwise. */
  readonly settings?: AskSettings;
  /** Options of `openModel` for local models; what the name says wins. */
  readonly local?: Readonly<Record<string, unknown>>;
  readonly env?: Readonly<Record<string, string | undefined>>;
}

const LOCAL_CONCURRENCY = 8;

/** @throws ConfigError for a name that means nothing or a key that is missing; asking throws what `openModel` throws */
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
  const cached = options.cache === undefined ? model : withCache(model, options.cache);
  return options.settings === undefined ? cached : withSettings(cached, options.settings);
}

function withSettings(model: NamedModel, settings: AskSettings): NamedModel {
  return {
    ...model,
    ask: (request, options) => model.ask({ ...request, settings: { ...settings, ...request.settings } }, options),
  };
}

/** Weights are loaded with the first question: who only has answers from the cache loads none. */
async function openLocal(name: string, parsed: ModelName & { kind: "local" }, options: OpenNamedModelOptions): Promise<NamedModel> {
  const { slots } = options.local ?? {};
  const concurrency = options.concurrency ?? (typeof slots === "number" ? slots : LOCAL_CONCURRENCY);
  const { contextLength, ...texts } = parsed.options;
  const named = { ...texts, ...(contextLength !== undefined && { contextLength: Number(contextLength) }) };
  const config = parseConfig(sessionSchema, { slots: concurrency, ...options.local, model: parsed.model, ...named }, `Opening ${name}`);
  const { path } = await resolveModel(config.model, { offline: config.offline, env: process.env });
  // Where it runs and how many at once change no answer within the dtype's tolerance; everything else may.
  const { model: _, adapter: asked, device: __, threads: ___, slots: ____, cacheTokens: _____, offline: ______, ...settings } = config;
  const adapter = asked && (await resolveAdapter(asked, { offline: config.offline, env: process.env }));
  let session: Promise<Session> | undefined;
  const open = () => {
    session ??= openModel(config);
    return session;
  };
  return {
    name,
    fingerprint: JSON.stringify([weightsFingerprint(path), adapter && weightsFingerprint(adapter), settings]),
    concurrency,
    template: async () => (await open()).template,
    async ask(request, { onText, signal } = {}) {
      const [answer] = await (await open()).generate([request], { onText, signal });
      if (answer!.finishReason === "cancelled") throw new CancelledError(`Asking ${name}`);
      return answer!;
    },
    async close() {
      const opened = await session?.catch(() => undefined);
      session = undefined;
      await opened?.close();
    },
  };
}
