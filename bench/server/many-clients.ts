/**
 * 64 clients streaming at once from `remora serve`, a process of its own: what each of them feels. Whether anything is left behind after many
 * requests is asked by `soak.ts`.
 *
 *   npm run build:dist && npx tsx bench/server/many-clients.ts [--model remora-tiny]
 */
import { loadavg } from "node:os";
import { parseArgs } from "node:util";
import { spread, streamOne } from "./clients.ts";
import { ServerProcess } from "./server-process.ts";

const { values } = parseArgs({ options: { model: { type: "string", default: "remora-tiny" } } });
const CLIENTS = 64;
const server = await ServerProcess.start(["--model", values.model, "--name", "model", "--slots", String(CLIENTS), "--device", "cpu"]);
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

console.log(`load ${loadavg()[0]!.toFixed(1)}`);
process.exit((await server.stop()) === 0 ? 0 : 1);
