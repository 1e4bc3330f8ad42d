/** Has a question of this meaning been kept before? By an encoder's cosine where there is one, and by equal character sequences always. */
import { chrF } from "../../evaluation/scores/chrf.ts";
import type { Embedder } from "../../retrieval/embedder.ts";
import { cosine } from "../../retrieval/retrieve.ts";

/** chrF of two wordings of one question, 0 to 100; names and numbers that differ leave it below. */
const SAME_WORDING = 75;
/** Cosines of e5 are all high. */
const SAME_MEANING = { e5: 0.95, others: 0.9 };

export class Duplicates {
  readonly #embedder: Embedder | undefined;
  readonly #kept: { question: string; vector?: Float32Array }[] = [];

  constructor(embedder: Embedder | undefined) {
    this.#embedder = embedder;
  }

  /** How meaning is compared, for the report. */
  get method(): string {
    return this.#embedder
      ? `cosine (${this.#embedder.name}) and chrF`
      : "chrF alone: no encoder was at hand, so other wordings of one question may remain";
  }

  /** @returns the question that says the same; undefined: there was none, and this one is remembered */
  async findOrAdd(question: string, signal?: AbortSignal): Promise<string | undefined> {
    const embedder = this.#embedder;
    const [vector] = embedder ? await embedder.embed([question], { role: "text", signal }) : [];
    const least = /(^|[^a-z0-9])e5\b/i.test(embedder?.name ?? "") ? SAME_MEANING.e5 : SAME_MEANING.others;
    const same = this.#kept.find(
      (kept) =>
        Math.max(chrF([question], [kept.question]), chrF([kept.question], [question])) >= SAME_WORDING ||
        (vector && kept.vector && cosine(vector, kept.vector) >= least),
    );
    if (same) return same.question;
    this.#kept.push({ question, vector });
    return undefined;
  }
}
