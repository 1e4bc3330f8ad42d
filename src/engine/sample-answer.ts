/** One held-out prompt answered greedily by the model as it is: a look over the run's shoulder between steps. */
import type { LoadedData } from "../data/load-data.ts";
import { Generator } from "../generation/generator.ts";
import { GREEDY } from "../generation/sampling.ts";
import type { CausalLM } from "../models/causal-lm.ts";
import type { Tokenizer } from "../text/tokenizer.ts";
import type { SampleEndEvent } from "../training/events.ts";

const MAX_TOKENS = 120;

/** @returns undefined when no row has both a prompt and a response */
export function sampler(
  model: CausalLM,
  tokenizer: Tokenizer,
  { store, split }: LoadedData,
): ((step: number) => Promise<SampleEndEvent>) | undefined {
  const index = [...split.heldOut, ...split.training.subarray(0, 1)].find((candidate) => store.get(candidate).trained.indexOf(1) > 0);
  if (index === undefined) return undefined;
  const { ids, trained } = store.get(index);
  const answerAt = trained.indexOf(1);
  const prompt = Array.from(ids.subarray(0, answerAt));
  const text = (part: ArrayLike<number>) => tokenizer.decode(part).trim();
  return async (step) => {
    const generator = new Generator(model, { slots: 1, positions: prompt.length + MAX_TOKENS });
    try {
      const request = { ids: prompt, settings: GREEDY, maxTokens: MAX_TOKENS, endIds: new Set(tokenizer.eos) };
      const [result] = await generator.generate([request]);
      return { event: "sample-end", step, prompt: text(prompt), answer: text(result!.ids), expected: text(ids.subarray(answerAt)) };
    } finally {
      generator.release();
    }
  };
}
