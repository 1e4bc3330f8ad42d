/** A debate priced from its questions and rules: every round held, every source of its largest size, every statement of its longest. */
import { parseModelName } from "../asking/model-name.ts";
import type { DebateConfig } from "../config/schemas/debate.ts";
import type { Question } from "../evaluation/eval/questions.ts";
import type { Debater } from "./debater.ts";
import { type Price, type PricedCalls, parsePrices, sumPrice, tokensOf } from "./price.ts";
import { judgePrompt, speakerPrompt } from "./prompts.ts";

/** Tokens of a source's marks and label. */
const SOURCE_FRAME = 24;

/** @param chunkTokens of the largest source of a debater; 0 for one without documents */
export async function priceDebate(
  config: DebateConfig,
  debaters: readonly Debater[],
  chunkTokens: readonly number[],
  questions: readonly Question[],
): Promise<Price> {
  const { rounds, limit, maxTokens, judge, instructions } = config;
  const language = "en";
  const asked = await tokensOf(questions.map(({ question }) => question));
  const count = questions.length;
  const sources = chunkTokens.map((tokens) => (tokens === 0 ? 0 : limit * (tokens + SOURCE_FRAME)));
  const allSources = sources.reduce((sum, tokens) => sum + tokens, 0);
  const statements = debaters.length * maxTokens;
  const lines: Omit<PricedCalls, "cost">[] = [];
  for (const [index, debater] of debaters.entries()) {
    const frame = await tokensOf([speakerPrompt({ debater, question: "", language, context: "-", before: [], instructions })]);
    const first = count * (frame + sources[index]!) + asked;
    // Later rounds add what was said, and what the others leant on.
    const later = count * (frame + allSources + statements) + asked;
    const promptTokens = Math.ceil(first + (rounds - 1) * later);
    lines.push({ who: debater.name, model: debater.model, calls: count * rounds, promptTokens, answerTokens: count * rounds * maxTokens });
  }
  if (judge !== undefined) {
    const frame = await tokensOf([judgePrompt({ question: "", language, context: "-", statements: [], canContinue: true })]);
    const promptTokens = Math.ceil(rounds * (count * (frame + allSources + statements) + asked));
    lines.push({ who: "judge", model: judge, calls: count * rounds, promptTokens, answerTokens: count * rounds * maxTokens });
  }
  const names = lines.map(({ who }) => who);
  const leastRounds = judge === undefined ? rounds : 1;
  const isRemote = lines.some(({ model }) => parseModelName(model).kind === "remote");
  return sumPrice(lines, parsePrices(config.prices, names, "Configuring remora debate"), count * leastRounds * lines.length, isRemote);
}
