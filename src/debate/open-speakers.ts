/** Debaters made ready: each model opened once however many speak with it, each index opened once, and a way to find sources for each. */
import type { NamedModel } from "../asking/named-model.ts";
import type { DebateConfig } from "../config/schemas/debate.ts";
import { type OpenedSources, openSources, retrieveOptions } from "../engine/open-sources.ts";
import { judgeSupport } from "../retrieval/answer/answer-question.ts";
import { retrieve } from "../retrieval/retrieve.ts";
import type { Debater } from "./debater.ts";
import type { Speaker } from "./hold-debate.ts";

export interface OpenedSpeakers {
  readonly speakers: readonly Speaker[];
  readonly judge: NamedModel | undefined;
  close(): Promise<void>;
}

export type OpenModel = (name: string) => Promise<NamedModel>;

/** Where a debater looks: an index (undefined is none), and the web or not. */
export function placesOf(debater: Debater, config: DebateConfig): { index: string | undefined; web: boolean } {
  const index = debater.docs === "none" ? undefined : (debater.docs ?? config.index);
  return { index, web: config.web && (debater.web ?? true) };
}

export async function openSpeakers(
  debaters: readonly Debater[],
  config: DebateConfig,
  openModel: OpenModel,
  onWebProblem: (url: string, problem: string) => void,
): Promise<OpenedSpeakers> {
  const models = new Map<string, NamedModel>();
  const sources = new Map<string, OpenedSources>();
  const close = async () => {
    for (const each of [...models.values(), ...sources.values()]) await each.close();
  };
  const modelOf = async (name: string) => {
    const model = models.get(name) ?? (await openModel(name));
    models.set(name, model);
    return model;
  };
  try {
    const speakers: Speaker[] = [];
    for (const debater of debaters) {
      const places = placesOf(debater, config);
      const key = JSON.stringify(places);
      const opened = sources.get(key) ?? (await openSources({ ...config, ...places }, onWebProblem));
      sources.set(key, opened);
      const options = retrieveOptions(config, opened);
      const hasSources = opened.index !== undefined || opened.web !== undefined;
      speakers.push({
        debater,
        model: await modelOf(debater.model),
        async find(question, signal) {
          if (!hasSources) return [];
          const { hits } = await retrieve(opened.index, question, { ...options, signal });
          return judgeSupport(hits, options.support).isSupported ? hits : [];
        },
      });
    }
    return { speakers, judge: config.judge === undefined ? undefined : await modelOf(config.judge), close };
  } catch (error) {
    await close();
    throw error;
  }
}
