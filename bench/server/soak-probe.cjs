/**
 * Loaded before the server in each of its threads (`--require`): when the soak asks, every thread collects its garbage and says how much is left.
 * The server itself is not changed.
 */
const { BroadcastChannel, isMainThread, threadId } = require("node:worker_threads");
const v8 = require("node:v8");

const channel = new BroadcastChannel("remora-soak");
channel.unref();

/** Twice, with a turn of the event loop between: what finalizers let go, and memory that arrays had outside the heap, goes with the second. */
async function measure() {
  globalThis.gc();
  await new Promise((resolve) => setTimeout(resolve, 50));
  globalThis.gc();
  const { used_heap_size: heapBytes, external_memory: externalBytes } = v8.getHeapStatistics();
  return { thread: threadId, heapBytes, externalBytes };
}

if (isMainThread) {
  let heard = [];
  channel.onmessage = ({ data }) => data !== "measure" && heard.push(data);
  process.on("message", async ({ threads }) => {
    heard = [];
    channel.postMessage("measure");
    const own = await measure();
    const until = Date.now() + 5000;
    while (heard.length < threads - 1 && Date.now() < until) await new Promise((resolve) => setTimeout(resolve, 10));
    const handles = process.getActiveResourcesInfo();
    process.send({ threads: [own, ...heard].sort((a, b) => a.thread - b.thread), handles: count(handles) });
  });
  // Asking must not keep the server from ending.
  process.channel.unref();
} else {
  channel.onmessage = async ({ data }) => data === "measure" && channel.postMessage(await measure());
}

const count = (names) => Object.fromEntries([...new Set(names)].sort().map((name) => [name, names.filter((each) => each === name).length]));
