/**
 * What asking models by name will cost, before anything is asked: calls and tokens at most, and money where prices are given. Tokens are counted by
 * the rule of thumb of retrieval; answers are taken at their longest.
 */
import { ConfigError } from "../errors/config-error.ts";
import { ruleOfThumb } from "../retrieval/chunks/token-counter.ts";

/** One kind of call. */
export interface PricedCalls {
  /** Debater, judge, writer … */
  readonly who: string;
  readonly model: string;
  readonly calls: number;
  readonly promptTokens: number;
  readonly answerTokens: number;
  /** In US dollars; undefined where no price was given. */
  readonly cost?: number;
}

export interface Price {
  readonly lines: readonly PricedCalls[];
  /** All together, at most. */
  readonly calls: number;
  readonly promptTokens: number;
  readonly answerTokens: number;
  /** Undefined where no price was given at all; lines without a price are not in it. */
  readonly cost?: number;
  /** Least number of calls: when every judge is content at once. */
  readonly leastCalls: number;
  /** Somebody else's machines are asked. */
  readonly isRemote: boolean;
}

/** Dollars of a million tokens, in and out, by who is asked. @throws ConfigError naming a price of nobody */
export function parsePrices(given: Readonly<Record<string, string>> | undefined, names: readonly string[], doing: string) {
  const entries = Object.entries(given ?? {});
  const unknown = entries.filter(([name]) => !names.includes(name));
  if (unknown.length > 0) {
    throw new ConfigError(
      doing,
      unknown.map(([name]) => ({ path: "prices", problem: `${name}: expected one of ${names.join(", ")}` })),
    );
  }
  return new Map(
    entries.map(([name, price]) => {
      const [input, output] = price.split("/").map(Number);
      return [name, { input: input!, output: output! }] as const;
    }),
  );
}

export function sumPrice(
  lines: readonly Omit<PricedCalls, "cost">[],
  prices: ReturnType<typeof parsePrices>,
  leastCalls: number,
  isRemote: boolean,
): Price {
  const priced = lines.map((line): PricedCalls => {
    const price = prices.get(line.who);
    return price ? { ...line, cost: (line.promptTokens * price.input + line.answerTokens * price.output) / 1e6 } : line;
  });
  const sum = (pick: (line: PricedCalls) => number) => priced.reduce((total, line) => total + pick(line), 0);
  return {
    lines: priced,
    calls: sum(({ calls }) => calls),
    promptTokens: sum(({ promptTokens }) => promptTokens),
    answerTokens: sum(({ answerTokens }) => answerTokens),
    cost: prices.size > 0 ? sum(({ cost }) => cost ?? 0) : undefined,
    leastCalls,
    isRemote,
  };
}

export const tokensOf = async (texts: readonly string[]): Promise<number> =>
  (await ruleOfThumb.count(texts)).reduce((sum, count) => sum + count, 0);
