/** Questions priced from the config alone: every attempt written, completed and checked, every kept question given a twin. */
import { parseModelName } from "../../asking/model-name.ts";
import { parseConfig } from "../../config/parse.ts";
import { type QuestionsConfig, type QuestionsConfigInput, questionsSchema } from "../../config/schemas/debate.ts";
import { type Price, parsePrices, sumPrice, tokensOf } from "../price.ts";
import { parseGoals } from "./goal.ts";
import { writerPrompt } from "./write-question.ts";

/** Passages tried at most. */
export const attemptsOf = ({ attempts, count }: QuestionsConfig): number => attempts ?? 4 * count;

/** Calls, tokens and money at most. Loads no model and asks nobody. */
export async function questionsPrice(input: QuestionsConfigInput): Promise<Price> {
  const config = parseConfig(questionsSchema, input, "Configuring remora questions");
  const { model, checker = model, maxTokens } = config;
  const attempts = attemptsOf(config);
  const frame = await tokensOf([
    JSON.stringify(writerPrompt({ document: "", label: "", text: "-" }, parseGoals([config.goal ?? []].flat())[0]!)),
  ]);
  const each = frame + config.chunkTokens;
  const twins = config.twins ? config.count : 0;
  const line = (who: string, name: string, calls: number, promptTokens: number) => ({
    who,
    model: name,
    calls,
    promptTokens,
    answerTokens: calls * maxTokens,
  });
  const lines = [
    line("writer", model, 2 * attempts + twins, (2 * attempts + twins) * each),
    line("checker", checker, 2 * attempts + twins, (attempts + twins) * each + attempts * frame),
  ];
  const isRemote = [model, checker].some((name) => parseModelName(name).kind === "remote");
  const prices = parsePrices(config.prices, ["writer", "checker"], "Configuring remora questions");
  return sumPrice(lines, prices, 3 * config.count + 2 * twins, isRemote);
}
