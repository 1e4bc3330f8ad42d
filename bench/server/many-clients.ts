/**
 * 64 clients streaming at once: what each of them feels. Whether anything is left behind after many requests is asked by `soak.ts`.
 *
 *   npx tsx bench/server/many-clients.ts [--model models/remora-tiny]
 */
import { parseArgs } from "node:util";
import { openModel } from "../../src/engine/index.ts";
import { startServer } from "../../src/server/start-server.ts";
import { spread, streamOne } from "./clients.ts";

const { values } = parseArgs({ options: { model: { type: "string", default: "models/remora-tiny" } } });
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

await server.stop();
await session.close();
