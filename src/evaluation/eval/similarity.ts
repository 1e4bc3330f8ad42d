/** Cosine of each answer with its nearest reference, as an encoder sees their meaning. Texts are embedded once each. */
import type { Embedder } from "../../retrieval/embedder.ts";
import type { AnswerRecord } from "./answer-record.ts";
import type { Question } from "./questions.ts";

const BATCH = 64;

/** @returns by variant and id; answers that are empty, failed or have no reference are absent */
export async function similarities(
  questions: readonly Question[],
  answers: readonly AnswerRecord[],
  embedder: Embedder,
  signal?: AbortSignal,
): Promise<Map<string, number>> {
  const references = new Map(questions.map((question) => [question.id, question.references]));
  const scored = answers.filter(
    ({ id, text, error }) => error === undefined && text.trim() !== "" && (references.get(id)?.length ?? 0) > 0,
  );
  const texts = [...new Set(scored.flatMap(({ id, text }) => [text, ...references.get(id)!]))];
  const vectors = new Map<string, Float32Array>();
  for (let first = 0; first < texts.length; first += BATCH) {
    const batch = texts.slice(first, first + BATCH);
    const embedded = await embedder.embed(batch, { signal, role: "text" });
    for (const [index, vector] of embedded.entries()) vectors.set(batch[index]!, vector);
  }
  const cosine = (a: Float32Array, b: Float32Array) => a.reduce((sum, value, index) => sum + value * b[index]!, 0);
  return new Map(
    scored.map(({ variant, id, text }) => [
      similarityKey(variant, id),
      Math.max(...references.get(id)!.map((reference) => cosine(vectors.get(text)!, vectors.get(reference)!))),
    ]),
  );
}

export function similarityKey(variant: string, id: string): string {
  return JSON.stringify([variant, id]);
}
