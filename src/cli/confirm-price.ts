/** What it will cost, said before it starts; and whether to start. */
import { createInterface } from "node:readline";
import { counted } from "../errors/counted.ts";
import { UsageError } from "../errors/usage-error.ts";
import type { Price } from "../index.ts";
import type { Io } from "./io.ts";
import { showCount } from "./terminal/quantities.ts";

/** `at most 180 calls, 96,400 tokens in, 36,000 out; 1.20 $` and a line for each who is asked. */
export function renderPrice(price: Price): string[] {
  const amounts = ({ promptTokens, answerTokens, cost }: { promptTokens: number; answerTokens: number; cost?: number }) =>
    `${counted(promptTokens, "token")} in, ${showCount(answerTokens)} out${cost === undefined ? "" : `, ${cost.toFixed(2)} $`}`;
  const unpriced = price.lines.filter(({ cost }) => cost === undefined).map(({ who }) => who);
  return [
    `At most ${counted(price.calls, "call")} (at least ${showCount(price.leastCalls)}), ${amounts(price)}. What is kept from before is not asked again.`,
    ...price.lines.map((line) => `  ${line.who}: ${counted(line.calls, "call")}, ${amounts(line)} (${line.model})`),
    ...(price.cost !== undefined && unpriced.length > 0 ? [`  Without a price: ${unpriced.join(", ")}`] : []),
  ];
}

/**
 * True: start. Local models cost time alone and start at once; remote ones need a yes, from a person or from `--yes`.
 * @throws UsageError where nobody can be asked
 */
export async function confirmPrice(price: Price, yes: boolean, io: Io, command: string): Promise<boolean> {
  if (yes || !price.isRemote) return true;
  if (io.stdin.isTTY !== true) {
    throw new UsageError(
      `Starting remora ${command}`,
      "remote models are asked, and nobody is here to agree to the price",
      "Add --yes, or --dry-run to see the price alone.",
    );
  }
  io.stderr.write("Start? [y/N] ");
  return /^y(es)?$/i.test((await firstLine(io.stdin)).trim());
}

/** Ends with the stream, or with the interface: a person who presses Ctrl-D has not said yes. */
function firstLine(input: Io["stdin"]): Promise<string> {
  const lines = createInterface({ input });
  return new Promise((resolve) => {
    lines.once("line", (line) => {
      resolve(line);
      lines.close();
    });
    lines.once("close", () => resolve(""));
  });
}
