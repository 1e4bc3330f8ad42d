/** What `train` and `pretrain` print while they run: the line of progress, or one JSON event a line; at the end where the result is. */
import type { RunResult } from "../../engine/index.ts";
import type { TrainEvent } from "../../training/events.ts";
import type { CommandContext } from "../command.ts";
import { TrainProgress } from "../render/train-progress.ts";

type Start = (options: { signal: AbortSignal; onEvent: (event: TrainEvent) => void }) => Promise<RunResult>;

/** @returns the exit code */
export async function followRun({ io, json, signal, print }: CommandContext<unknown>, start: Start): Promise<number> {
  const progress = new TrainProgress(io);
  try {
    const result = await start({
      signal,
      onEvent: (event) => {
        progress.show(event);
        if (json) print(JSON.stringify(event));
      },
    });
    if (!json) print(result.adapterPath);
    return result.reason === "interrupted" ? 130 : 0;
  } finally {
    progress.end();
  }
}
