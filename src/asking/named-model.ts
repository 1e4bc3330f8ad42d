/** Any model that can be asked, local or remote, by one small interface. Evaluation, debate and the command line know only this. */
import type { AskAnswer, AskRequest } from "../config/reports.ts";

export interface AskOptions {
  readonly onText?: (text: string) => void;
  readonly signal?: AbortSignal;
}

export interface NamedModel {
  /** As the user wrote it. Never holds a key. */
  readonly name: string;
  /** Changes when weights, endpoint or loading options do; a part of the cache's key. */
  readonly fingerprint: string;
  /** Requests that are worth sending at once. */
  readonly concurrency: number;
  /** The template that its rows go through; remote models get messages. Opens a local model. */
  template(): Promise<string>;
  /** @throws ModelCallError for a remote failure; CancelledError when the signal aborts */
  ask(request: AskRequest, options?: AskOptions): Promise<AskAnswer>;
  close(): Promise<void>;
}

/** All requests, `concurrency` at a time, in their order; an entry may be the error of its request. */
export async function askAll(
  model: NamedModel,
  requests: readonly AskRequest[],
  signal?: AbortSignal,
  onAnswer?: (answer: AskAnswer | Error, index: number) => void,
): Promise<(AskAnswer | Error)[]> {
  const answers = new Array<AskAnswer | Error>(requests.length);
  let next = 0;
  const work = async () => {
    while (next < requests.length) {
      const index = next++;
      answers[index] = await model.ask(requests[index]!, { signal }).catch((error: unknown) => {
        if (signal?.aborted || !(error instanceof Error)) throw error;
        return error;
      });
      onAnswer?.(answers[index]!, index);
    }
  };
  await Promise.all(Array.from({ length: Math.min(model.concurrency, requests.length) }, work));
  return answers;
}
