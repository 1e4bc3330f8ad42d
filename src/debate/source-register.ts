/**
 * The sources of one debate under common numbers: whoever finds a chunk that another found before cites it by the same number, so that statements
 * can be weighed against each other and a number means one thing in the whole transcript.
 */
import { contextOf, sourceLabel } from "../retrieval/answer/prompt.ts";
import type { Hit } from "../retrieval/hit.ts";

export interface NumberedSource {
  /** From 1. */
  readonly number: number;
  /** File or address, heading, page or date. */
  readonly label: string;
  readonly text: string;
}

export class SourceRegister {
  readonly #hits: Hit[] = [];
  readonly #numbers = new Map<string, number>();

  /** @returns the hits' numbers, in their order */
  add(hits: readonly Hit[]): number[] {
    return hits.map((hit) => {
      const key = JSON.stringify([hit.document, hit.ordinal]);
      const known = this.#numbers.get(key);
      if (known !== undefined) return known;
      this.#hits.push(hit);
      this.#numbers.set(key, this.#hits.length);
      return this.#hits.length;
    });
  }

  /** As a model reads them. */
  context(numbers: readonly number[]): string {
    return contextOf(
      numbers.map((number) => this.#hits[number - 1]!),
      numbers,
    );
  }

  textOf(number: number): string {
    return this.#hits[number - 1]!.text;
  }

  all(): NumberedSource[] {
    return this.#hits.map((hit, index) => ({ number: index + 1, label: sourceLabel(hit), text: hit.text }));
  }
}
