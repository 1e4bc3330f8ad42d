/**
 * Ctrl-C: the first one asks the work to stop (a run writes its checkpoint), the second one ends the process at once.
 */
import { setMaxListeners } from "node:events";
import type { Io } from "./io.ts";
import type { Style } from "./terminal/style.ts";

export async function withInterrupt<T>(io: Io, style: Style, work: (signal: AbortSignal) => Promise<T>): Promise<T> {
  const controller = new AbortController();
  setMaxListeners(0, controller.signal); // one a question that is being answered: as many as were asked for at once
  const stopListening = io.onInterrupt(() => {
    if (controller.signal.aborted) {
      io.stderr.write("\n");
      io.exitNow(130);
      return;
    }
    io.stderr.write(`\n${style.yellow("Stopping…")} ${style.dim("Ctrl-C again ends at once.")}\n`);
    controller.abort();
  });
  try {
    return await work(controller.signal);
  } finally {
    stopListening();
  }
}
