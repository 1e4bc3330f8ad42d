/** A model by name as a comparison asks it: the settings of the comparison on every request, and what an answer costs. */
import { openNamedModel } from "../../asking/open-named-model.ts";
import { askSettings, type SamplingOptions } from "../../config/ask-settings.ts";
import type { AskAnswer } from "../../config/reports.ts";
import { sessionSchema } from "../../config/schemas/generate.ts";
import type { EvalModel } from "./answer-variant.ts";

/** What a comparison says about all its models; the loading options of `openModel()` stand beside these. */
export interface EvalModelConfig extends SamplingOptions {
  readonly timeoutSeconds: number;
  readonly retries: number;
  readonly concurrency?: number;
}

export interface EvalModelName {
  /** As `openNamedModel` takes it. */
  readonly name: string;
  readonly adapter?: string;
  /** `0.15/0.60`: US dollars for a million tokens of prompts and of answers. */
  readonly price?: string;
}

const TOKENS_OF_A_PRICE = 1e6;

/** @throws what `openNamedModel` throws */
export async function openEvalModel({ name, adapter, price }: EvalModelName, config: EvalModelConfig): Promise<EvalModel> {
  const { timeoutSeconds, retries: maxRetries, concurrency } = config;
  const settings = askSettings(config);
  const names = Object.keys(sessionSchema.shape).filter((option) => option !== "model" && option !== "adapter");
  const local = { ...Object.fromEntries(Object.entries(config).filter(([option]) => names.includes(option))), ...(adapter && { adapter }) };
  const model = await openNamedModel(name, { local, settings, timeoutMs: timeoutSeconds * 1000, maxRetries, concurrency });
  return {
    fingerprint: JSON.stringify([model.fingerprint, settings]),
    concurrency: model.concurrency,
    template: () => model.template(),
    ask: (request, { signal }) => model.ask(request, { signal }),
    ...(price !== undefined && { price: (answer) => costOf(answer, price) }),
    close: () => model.close(),
  };
}

/** @returns US dollars; undefined when the server did not say how many tokens it took */
function costOf({ promptTokens, tokens }: AskAnswer, price: string): number | undefined {
  const [prompt, answer] = price.split("/").map(Number) as [number, number];
  return promptTokens > 0 ? (promptTokens * prompt + tokens * answer) / TOKENS_OF_A_PRICE : undefined;
}
