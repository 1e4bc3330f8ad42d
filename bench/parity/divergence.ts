/**
 * How far our next-token distribution is from a reference that is known by its K most likely tokens.
 *
 * KL(reference ‖ ours) over K + 1 outcomes: the K tokens, and "any other token" with the mass that is left. Merging outcomes can only
 * lower a divergence, so this is a lower bound; with K = 1024 of a trained model's vocabulary the rest's mass is a percent or so.
 */
import type { ReferenceText } from "./reference-file.ts";

/** A lead that rounding activations to 8 bits rarely turns around: a factor of 1.35 between the two likeliest tokens. */
export const CLEAR_NATS = 0.3;

export interface Divergence {
  /** Positions compared. */
  positions: number;
  /** Share of positions whose most likely token is the same. */
  sameTop: number;
  /** Positions where the reference prefers its first token to its second by CLEAR_NATS or more, and the share of them with the same first. */
  clearPositions: number;
  sameTopClear: number;
  /** Mean and largest KL over positions, nats. */
  klMean: number;
  klMax: number;
  /** Mean cross-entropy of the text itself, nats a token, where the next token is among the reference's K: reference's and ours. */
  referenceLoss: number;
  ourLoss: number;
  /** Mean probability outside the reference's K. */
  restMass: number;
}

/**
 * @param rows  our logits a position: f32 [V] each, in the order of the reference's tokens; asked for once each
 * @throws RangeError when a reference id is outside of our vocabulary
 */
export async function measureDivergence(
  reference: ReferenceText,
  rows: Iterable<Float32Array> | AsyncIterable<Float32Array>,
): Promise<Divergence> {
  const sums = { positions: 0, same: 0, clear: 0, sameClear: 0, kl: 0, klMax: 0, referenceLoss: 0, ourLoss: 0, losses: 0, rest: 0 };
  for await (const logits of rows) {
    const position = sums.positions++;
    if (position >= reference.tokens.length) throw new RangeError(`more rows of logits than the reference's ${reference.tokens.length}`);
    const at = position * reference.top;
    const ids = reference.topIds.subarray(at, at + reference.top);
    const logprobs = reference.topLogprobs.subarray(at, at + reference.top);
    const { normalizer, best } = summarize(logits);
    const same = ids[0] === best ? 1 : 0;
    const clear = logprobs[0]! - logprobs[1]! >= CLEAR_NATS ? 1 : 0;
    sums.same += same;
    sums.clear += clear;
    sums.sameClear += same * clear;

    let kl = 0;
    let referenceMass = 0;
    let ourMass = 0;
    const next = reference.tokens[position + 1];
    for (let k = 0; k < ids.length; k++) {
      const id = ids[k]!;
      if (id < 0 || id >= logits.length) throw new RangeError(`the reference names token ${id}; our vocabulary has ${logits.length}`);
      const theirs = logprobs[k]!;
      const ours = logits[id]! - normalizer;
      const probability = Math.exp(theirs);
      kl += probability * (theirs - ours);
      referenceMass += probability;
      ourMass += Math.exp(ours);
      if (id === next) {
        sums.referenceLoss -= theirs;
        sums.ourLoss -= ours;
        sums.losses++;
      }
    }
    const rest = Math.max(0, 1 - referenceMass);
    // Below f32's rounding of K terms the rest is noise, and its logarithm would be too.
    if (rest > 1e-6) kl += rest * (Math.log(rest) - Math.log(Math.max(1e-12, 1 - ourMass)));
    sums.rest += rest;
    sums.kl += kl;
    sums.klMax = Math.max(sums.klMax, kl);
  }
  const { positions } = sums;
  return {
    positions,
    sameTop: sums.same / positions,
    clearPositions: sums.clear,
    sameTopClear: sums.sameClear / sums.clear,
    klMean: sums.kl / positions,
    klMax: sums.klMax,
    referenceLoss: sums.referenceLoss / sums.losses,
    ourLoss: sums.ourLoss / sums.losses,
    restMass: sums.rest / positions,
  };
}

/** log Σ exp and the most likely id (the lowest of equals). */
function summarize(logits: Float32Array): { normalizer: number; best: number } {
  let best = 0;
  for (let id = 1; id < logits.length; id++) if (logits[id]! > logits[best]!) best = id;
  const highest = logits[best]!;
  let sum = 0;
  for (const value of logits) sum += Math.exp(value - highest);
  return { normalizer: highest + Math.log(sum), best };
}
