/**
 * The engine's worker: owns a device, runs one job at a time, in the order they come; questions to an open session run side by side, because
 * they share its running batch. Native calls block this thread; the caller's event loop stays free, and its cancel flag is read between ops.
 */
import { parentPort, workerData } from "node:worker_threads";
import { toErrorData } from "./error-data.ts";
import type { JobHost } from "./job.ts";
import { findJob, runsBeside } from "./jobs.ts";
import type { CallMessage, ReplyMessage, WorkerStart } from "./protocol.ts";

const port = parentPort;
if (!port) throw new Error("engine/worker is started by engine/client, not run by itself");
const { cancelFlag } = workerData as WorkerStart;
let last: Promise<void> = Promise.resolve();

port.on("message", (call: CallMessage) => {
  if (runsBeside(call.job)) void run(call);
  else last = last.then(() => run(call));
});

async function run({ id, job, input }: CallMessage): Promise<void> {
  const send = (reply: ReplyMessage) => port!.postMessage(reply);
  const host: JobHost = { cancelFlag, emit: (event) => send({ id, kind: "event", event }) };
  try {
    const work = await findJob(job);
    send({ id, kind: "done", output: await work(input as never, host) });
  } catch (error) {
    send({ id, kind: "failed", error: toErrorData(error) });
  }
}
