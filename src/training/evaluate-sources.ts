/** Held-out loss by source, and bits per byte: comparable between tokenizers, which losses are not. */
import type { Batch } from "../data/batch.ts";
import type { CausalLM } from "../models/causal-lm.ts";
import { type Evaluation, evaluate } from "./evaluate.ts";
import type { SourceScore } from "./events.ts";

export interface HeldOutSource {
  readonly name: string;
  readonly batches: () => Iterable<Batch>;
}

export interface SourcesEvaluation extends Evaluation {
  readonly sources: Readonly<Record<string, SourceScore>>;
}

/**
 * @param tokenBytes UTF-8 bytes of each id, 0 for special ones
 * @returns the mean over all tokens, and each source's own
 */
export async function evaluateSources(
  model: CausalLM,
  heldOut: readonly HeldOutSource[],
  tokenBytes: Uint16Array,
): Promise<SourcesEvaluation> {
  const sources: Record<string, SourceScore> = {};
  let [nats, tokens] = [0, 0];
  for (const { name, batches } of heldOut) {
    let bytes = 0;
    const counted = countBytes(batches(), tokenBytes, (count) => {
      bytes += count;
    });
    const score = await evaluate(model, counted);
    const sum = score.loss * score.tokens;
    sources[name] = { loss: score.loss, tokens: score.tokens, bitsPerByte: sum / Math.LN2 / bytes };
    nats += sum;
    tokens += score.tokens;
  }
  const loss = nats / tokens;
  return { loss, perplexity: Math.exp(loss), tokens, sources };
}

/** Hands the batches on and counts the bytes of text that their targets stand for. */
function* countBytes(batches: Iterable<Batch>, tokenBytes: Uint16Array, add: (bytes: number) => void): Generator<Batch> {
  for (const batch of batches) {
    let bytes = 0;
    for (const target of batch.targets) if (target >= 0) bytes += tokenBytes[target]!;
    add(bytes);
    yield batch;
  }
}
