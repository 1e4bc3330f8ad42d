/** All sentences of the demo put to one model, many at a time, and how near its answers are to the right ones. */
import type { DemoScore } from "../../config/reports.ts";
import { openModel } from "../../engine/index.ts";
import { CancelledError } from "../../errors/cancelled-error.ts";
import { chrF } from "../scores/chrf.ts";
import type { DemoRow } from "./demo-rows.ts";

/** Answers at once: a batch of this many costs a CPU little more than one. */
const SLOTS = 64;
/** Of prompt and answer together; the cache holds this much for every slot. */
const TOKENS_PER_SLOT = 192;
/** Answers are one sentence; a model that rambles is cut here. */
const MAX_TOKENS = 48;

type SessionConfig = Parameters<typeof openModel>[0];

export interface DemoAnswers {
  readonly device: string;
  /** In the order of the rows. */
  readonly texts: readonly string[];
}

/** @throws CancelledError when the signal aborts */
export async function answerRows(
  config: SessionConfig,
  rows: readonly DemoRow[],
  { signal, onBegun }: { signal?: AbortSignal; onBegun?: (count: number) => void },
): Promise<DemoAnswers> {
  const cancelled = () => new CancelledError("Running the demo");
  if (signal?.aborted) throw cancelled();
  const slots = Math.min(SLOTS, rows.length);
  const settings = { greedy: true, template: "instruct", maxTokens: MAX_TOKENS, slots, cacheTokens: slots * TOKENS_PER_SLOT };
  const session = await openModel({ ...settings, ...config });
  try {
    const begun = new Set<number>();
    const onText = (_: string, index: number) => {
      if (begun.has(index)) return;
      begun.add(index);
      onBegun?.(begun.size);
    };
    const asked = rows.map(({ instruction, input }) => ({ row: { instruction, input } }));
    const answers = await session.generate(asked, { signal, onText });
    if (signal?.aborted) throw cancelled();
    return { device: session.device, texts: answers.map(({ text }) => firstLine(text)) };
  } finally {
    await session.close();
  }
}

/** Of the held-out sentences, which come first, and of the test file's, which follow. */
export function scoreAnswers(rows: readonly DemoRow[], answers: readonly string[], heldOutCount: number): DemoScore {
  const over = (from: number, to: number) => ({
    chrF: chrF(
      answers.slice(from, to),
      rows.slice(from, to).map(({ output }) => output),
    ),
    count: to - from,
  });
  const hasTest = rows.length > heldOutCount;
  return { ...over(0, heldOutCount), ...(hasTest && { test: over(heldOutCount, rows.length) }) };
}

/** Whoever goes on talking, as a base model does, is judged by the first line that says something. */
function firstLine(text: string): string {
  return text.trim().split("\n")[0]!.trim();
}
