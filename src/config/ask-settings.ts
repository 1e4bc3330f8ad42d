/** A command's sampling options as settings of one request: for models that have no session here to hold them. */
import type { AskSettings } from "./reports.ts";

export interface SamplingOptions {
  readonly maxTokens: number;
  readonly greedy: boolean;
  readonly temperature: number;
  readonly topK: number;
  readonly topP: number;
  readonly seed: number;
  readonly stop?: string | readonly string[];
}

/** What is off stays unsaid, because not every server knows every setting. */
export function askSettings({ maxTokens, greedy, temperature, topK, topP, seed, stop }: SamplingOptions): AskSettings {
  return {
    maxTokens,
    temperature: greedy ? 0 : temperature,
    seed,
    ...(topK > 0 && { topK }),
    ...(topP < 1 && { topP }),
    ...(stop !== undefined && { stop: typeof stop === "string" ? [stop] : stop }),
  };
}
