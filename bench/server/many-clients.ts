/**
 * 64 clients streaming at once, then many short requests with some that leave early; what each client feels, and whether anything is left behind.
 *
 *   npx tsx bench/server/many-clients.ts [--model models/remora-tiny] [--requests 10000]
 */
import { parseArgs } from "node:util";
import { openModel } from "../../src/engine/index.ts";
import { startServer } from "../../src/server/start-server.ts";
import { spread, streamOne } from "./clients.ts";

const { values } = parseArgs({
  options: { model: { type: "string", default: "models/remora-tiny" }, requests: { type: "string", default: "10000" } },
});
const CLIENTS = 64;
const session = await openModel({ model: values.model, slots: CLIENTS, device: "cpu" });
const server = await startServer({
  session,
  name: "model",
  host: "127.0.0.1",
  port: 0,
  maxBodyBytes: 2 ** 20,
  maxInFlight: 1000,
  timeoutMs: 600_000,
  drainMs: 10_000,
  onFailure: console.error,
});
const sentence = (index: number) => `雨が降っています。${index}番の人は駅まで歩いて行きました。`;
await streamOne(server.url, "model", sentence(0), 32, 0);

console.log("one client alone");
const alone = await streamOne(server.url, "model", sentence(1), 128, 1);
console.log(`  first token ${alone.firstTokenSeconds.toFixed(3)} s, ${alone.tokensPerSecond.toFixed(1)} tokens/s`);
const start = performance.now();
const felt = await Promise.all(Array.from({ length: CLIENTS }, (_, index) => streamOne(server.url, "model", sentence(index), 128, index)));
const seconds = (performance.now() - start) / 1000;
const tokens = felt.reduce((sum, one) => sum + one.tokens, 0);
console.log(`${CLIENTS} clients at once: ${tokens} tokens in ${seconds.toFixed(2)} s, ${(tokens / seconds).toFixed(0)} tokens/s together`);
console.log(`  first token, s         ${spread(felt.map((one) => one.firstTokenSeconds))}`);
const answering = felt.filter((one) => one.tokens > 8);
console.log(`  tokens/s of each (${answering.length} answers above 8 tokens)  ${spread(answering.map((one) => one.tokensPerSecond))}`);
console.log(`  longest pause, s       ${spread(felt.map((one) => one.longestPauseSeconds))}`);

const total = Number(values.requests);
console.log(`${total} requests, one in ten leaves early`);
let next = 0;
let left = 0;
const report = async () => {
  const stats = await session.stats();
  const rss = process.memoryUsage().rss / 1e6;
  console.log(
    `  ${String(next).padStart(6)}: RSS ${rss.toFixed(0)} MB, heap ${(process.memoryUsage().heapUsed / 1e6).toFixed(0)} MB, arena ${stats.usedBytes} used of ${stats.reservedBytes} B, pages free ${stats.freePages}/${stats.pages}, running ${stats.running}, waiting ${stats.waiting}`,
  );
};
const startMany = performance.now();
for (const until of [0.1, 0.2, 0.4, 0.6, 0.8, 1].map((share) => Math.round(share * total))) {
  const worker = async () => {
    while (next < until) {
      const index = next++;
      const leave = index % 10 === 0 ? AbortSignal.timeout(5) : undefined;
      const body = JSON.stringify({
        model: "model",
        prompt: sentence(index),
        max_tokens: 4 + (index % 5),
        seed: index,
        stream: index % 2 === 0,
      });
      await fetch(`${server.url}/v1/completions`, { method: "POST", body, signal: leave })
        .then((response) => response.text())
        .catch((error) => {
          if (leave?.aborted) left++;
          else throw error;
        });
    }
  };
  await Promise.all(Array.from({ length: CLIENTS }, worker));
  await new Promise((resolve) => setTimeout(resolve, 500));
  await report();
}
console.log(`  ${left} left early; ${(total / ((performance.now() - startMany) / 1000)).toFixed(0)} requests/s`);
await server.stop();
await session.close();
