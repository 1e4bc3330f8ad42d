/** What every route needs of the server: the line to the model, its name in the API, ids and clock; and words that all answers share. */
import { randomInt, randomUUID } from "node:crypto";
import type { AskAnswer } from "../config/reports.ts";
import { ApiError } from "../errors/api-error.ts";
import type { Answering } from "./answering.ts";

export class Served {
  readonly answering: Answering;
  /** The model's name in the API. */
  readonly name: string;

  constructor(answering: Answering, name: string) {
    this.answering = answering;
    this.name = name;
  }

  /** @throws ApiError 404 */
  checkModel(asked: string): void {
    if (asked === this.name) return;
    throw new ApiError(404, "model_not_found", `there is no model ${asked.slice(0, 200)} here`, {
      param: "model",
      next: `This server has ${this.name}.`,
    });
  }

  newId(prefix: string): string {
    return `${prefix}-${randomUUID().replaceAll("-", "")}`;
  }

  /** Of the Unix clock. */
  seconds(): number {
    return Math.floor(Date.now() / 1000);
  }

  randomSeed(): number {
    return randomInt(2 ** 47);
  }
}

export const finishReasonOf = ({ finishReason }: AskAnswer): "stop" | "length" => (finishReason === "length" ? "length" : "stop");

/** A prompt that was answered `n` times is counted once a choice: it was read so often. */
export function usageOf(answers: readonly AskAnswer[]) {
  const sum = (of: (answer: AskAnswer) => number) => answers.reduce((total, answer) => total + of(answer), 0);
  const prompt = sum(({ promptTokens }) => promptTokens);
  const completion = sum(({ tokens }) => tokens);
  return {
    prompt_tokens: prompt,
    completion_tokens: completion,
    total_tokens: prompt + completion,
    prompt_tokens_details: { cached_tokens: sum(({ cachedTokens }) => cachedTokens ?? 0) },
  };
}
