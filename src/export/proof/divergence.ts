/**
 * How far a model's next-token distributions are from the tuned model's: `KL(p ‖ q) = Σ p (log p − log q)` in nats over the whole vocabulary, in f64.
 * What is lost by a save is measured against what was gained by tuning: `retained = 1 − KL(saved ‖ tuned) / KL(base ‖ tuned)`.
 */
import type { Closeness } from "../../config/reports.ts";

/** A distribution as logits and their log-sum-exp. */
interface Distribution {
  readonly logits: Float32Array;
  readonly normalizer: number;
  readonly top: number;
}

function describe(logits: Float32Array): Distribution {
  let top = 0;
  for (let i = 1; i < logits.length; i++) if (logits[i]! > logits[top]!) top = i;
  const largest = logits[top]!;
  let sum = 0;
  for (let i = 0; i < logits.length; i++) sum += Math.exp(logits[i]! - largest);
  return { logits, normalizer: largest + Math.log(sum), top };
}

/** Infinite where one of them is no distribution: a model that answers NaN is as far from any other as can be, itself included. */
function kl(p: Distribution, q: Distribution): number {
  if (!Number.isFinite(p.normalizer) || !Number.isFinite(q.normalizer)) return Number.POSITIVE_INFINITY;
  let sum = 0;
  const shift = q.normalizer - p.normalizer;
  for (let i = 0; i < p.logits.length; i++) {
    const share = Math.exp(p.logits[i]! - p.normalizer);
    if (share > 0) sum += share * (p.logits[i]! - q.logits[i]! + shift);
  }
  return Math.max(0, sum);
}

/** One model's running sums against the tuned one. */
class DivergenceSum {
  readonly #kl: number[] = [];
  #agreed = 0;
  #loss = 0;

  add(model: Distribution, tuned: Distribution, target: number): void {
    this.#kl.push(kl(model, tuned));
    if (model.top === tuned.top) this.#agreed++;
    this.#loss += model.normalizer - model.logits[target]!;
  }

  /** KL of every token, in order. */
  get each(): readonly number[] {
    return this.#kl;
  }

  get mean(): number {
    return this.#kl.reduce((sum, value) => sum + value, 0) / this.#kl.length;
  }

  get perplexity(): number {
    return Math.exp(this.#loss / this.#kl.length);
  }

  /** @param gained KL(base ‖ tuned) */
  closeness(gained: number): Closeness {
    const { mean } = this;
    return {
      kl: mean,
      worstKl: Math.max(...this.#kl),
      retained: retained(mean, gained),
      top1: this.#agreed / this.#kl.length,
      perplexity: this.perplexity,
    };
  }
}

/** Below this the adapter changes nothing that could be lost, in nats. */
export const NOTHING_LEARNT = 1e-7;

export const retained = (lost: number, gained: number): number | null => (gained < NOTHING_LEARNT ? null : 1 - lost / gained);

export interface ComparedLogits {
  /** Each [count, V]. */
  readonly tuned: Float32Array;
  readonly base: Float32Array;
  readonly saved: Float32Array;
}

export class Comparison {
  readonly saved = new DivergenceSum();
  readonly base = new DivergenceSum();
  readonly tuned = new DivergenceSum();
  /** Likeliest next token of each scored place. */
  readonly tops: { tuned: number; saved: number }[] = [];

  /** @param targets the tokens that really follow */
  add(logits: ComparedLogits, targets: ArrayLike<number>): void {
    const V = logits.tuned.length / targets.length;
    for (let row = 0; row < targets.length; row++) {
      const of = (all: Float32Array) => describe(all.subarray(row * V, (row + 1) * V));
      const tuned = of(logits.tuned);
      const saved = of(logits.saved);
      const target = targets[row]!;
      this.tuned.add(tuned, tuned, target);
      this.saved.add(saved, tuned, target);
      this.base.add(of(logits.base), tuned, target);
      this.tops.push({ tuned: tuned.top, saved: saved.top });
    }
  }
}
