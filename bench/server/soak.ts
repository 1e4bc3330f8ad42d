/**
 * Does the server lose anything over many requests? `remora serve` runs as a process of its own, 64 clients here send it everything that
 * `soak-requests.ts` knows, and after each twentieth of them, when all is quiet, the server is measured: resident memory, heaps, open files, cache.
 * What counts is the straight line through the last half, 10,000 requests: a leak keeps rising when everything that warms up is warm.
 *
 *   npm run build:dist && npx tsx bench/server/soak.ts [--requests 20000] [--minutes 30] [--model remora-tiny] [--kinds TEXT] [--out bench/results/server-soak.json]
 *
 * --kinds sends only those whose name holds the text, to find what leaks. Linux only (/proc). Exit code 1 when something leaked, or an answer was not as it must be.
 */
import { execFileSync } from "node:child_process";
import { writeFileSync } from "node:fs";
import { Agent } from "node:http";
import { cpus, loadavg } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { pagesOf } from "../../src/generation/paged-cache.ts";
import { type Sample, ServerProcess } from "./server-process.ts";
import { KINDS, LONGEST_TOKENS, type Target } from "./soak-requests.ts";

const CLIENTS = 64;
const SAMPLES = 20;
const MAX_BODY_BYTES = 65_536;
/** What grows over the last half by more than this share of its mean, and by more than three standard errors of the slope, is taken for a leak. */
const NOISE = 0.02;
const STANDARD_ERRORS = 3;
const ROOT = join(import.meta.dirname, "../..");

const { values } = parseArgs({
  options: {
    requests: { type: "string", default: "20000" },
    minutes: { type: "string", default: "30" },
    model: { type: "string", default: "remora-tiny" },
    kinds: { type: "string", default: "" },
    out: { type: "string" },
  },
});
const total = Number(values.requests);
const encoder = join(ROOT, "fixtures/data/encoders/bert");
const limits = ["--slots", String(CLIENTS), "--max-waiting", "1000", "--max-body-bytes", String(MAX_BODY_BYTES)];
const server = await ServerProcess.start([
  "--model",
  values.model,
  "--name",
  "model",
  "--embedder",
  encoder,
  "--device",
  "cpu",
  "--offline",
  ...limits,
]);
const names = Object.keys(KINDS).filter((name) => name.includes(values.kinds));
const agent = new Agent({ keepAlive: true, maxSockets: CLIENTS });
const wrong: string[] = [];
const sent: Record<string, number> = Object.fromEntries(names.map((name) => [name, 0]));
const samples: Sample[] = [];
let code: number | null = null;
try {
  const target: Target = { url: server.url, model: "model", encoder: await encoderName(server.url), maxBodyBytes: MAX_BODY_BYTES };
  const start = performance.now();
  const seconds = () => (performance.now() - start) / 1000;
  samples.push(await server.sample(0, 0));
  console.log(" requests  seconds   RSS MB  collected  heap MB  external MB  sockets  files  threads  pages held");
  let next = 0;
  for (let part = 1; part <= SAMPLES && seconds() < 60 * Number(values.minutes); part++) {
    const until = Math.round((part * total) / SAMPLES);
    const client = async () => {
      while (next < until) {
        const index = next++;
        const name = names[index % names.length]!;
        sent[name]!++;
        await KINDS[name]!(target, agent, index).catch((error: Error) => wrong.push(`${name}: ${error.message}`));
      }
    };
    await Promise.all(Array.from({ length: CLIENTS }, client));
    samples.push(await server.sample(next, seconds()));
    console.log(row(samples.at(-1)!));
  }
  agent.destroy();
  await new Promise((resolve) => setTimeout(resolve, 1000));
  samples.push(await server.sample(next, seconds()));
} finally {
  agent.destroy();
  code = await server.stop();
}

const first = samples[0]!;
const last = samples.at(-1)!;
const half = samples.slice(1, -1).filter(({ requests }) => requests >= last.requests / 2);
const lines = {
  residentBytes: line((sample) => sample.residentBytes),
  residentBytesCollected: line((sample) => sample.residentBytesCollected),
  heapBytes: line((sample) => sample.heapBytes),
  externalBytes: line((sample) => sample.externalBytes),
};
const held = last.pages - last.freePages;
const checks: Readonly<Record<string, boolean>> = {
  "every request was sent": last.requests === total,
  "every answer was as it must be": wrong.length === 0,
  "resident memory no longer grows": !lines.residentBytesCollected.grows,
  "heaps no longer grow": !lines.heapBytes.grows,
  "arrays outside the heaps no longer grow": !lines.externalBytes.grows,
  "no connection is left": last.sockets === first.sockets,
  "no file is left open": last.otherFiles <= Math.max(...samples.slice(1, 3).map(({ otherFiles }) => otherFiles)),
  "no thread is left": last.threads <= Math.max(...samples.slice(1, 3).map(({ threads }) => threads)),
  "the cache holds what slots remember and no more": held <= CLIENTS * pagesOf(LONGEST_TOKENS),
  "the arena is as it was after the first requests": last.usedBytes === samples[1]!.usedBytes,
  "SIGTERM ended it with 0": code === 0,
};
for (const [name, { perThousand, error, growth }] of Object.entries(lines))
  console.log(
    `${name}: ${kilobytes(perThousand)} ± ${kilobytes(error)} kB a thousand requests, ${(100 * growth).toFixed(2)}% over the last half`,
  );
for (const [name, isTrue] of Object.entries(checks)) console.log(`${isTrue ? "yes" : " NO"}  ${name}`);
for (const problem of wrong.slice(0, 20)) console.log(problem);
const isSound = Object.values(checks).every(Boolean);
if (values.out) {
  const record = {
    benchmark: "server soak",
    commit: execFileSync("git", ["rev-parse", "--short", "HEAD"], { cwd: ROOT, encoding: "utf8" }).trim(),
    node: process.version,
    processor: cpus()[0]!.model,
    cores: cpus().length,
    loadAverage: Math.round(loadavg()[0]! * 100) / 100,
    model: values.model,
    clients: CLIENTS,
    sent,
    wrong: wrong.length,
    lastHalf: lines,
    checks,
    samples,
  };
  writeFileSync(values.out, `${JSON.stringify(record, null, 2)}\n`);
}
process.exit(isSound ? 0 : 1);

/** The server's second model is its encoder. */
async function encoderName(url: string): Promise<string> {
  const { data } = (await (await fetch(`${url}/v1/models`, { headers: { connection: "close" } })).json()) as { data: { id: string }[] };
  return data[1]!.id;
}

/** Least squares through the last half: slope and its standard error in bytes a thousand requests, and growth over that half as a share of the mean. */
function line(of: (sample: Sample) => number): { perThousand: number; error: number; growth: number; grows: boolean } {
  const x = half.map(({ requests }) => requests / 1000);
  const y = half.map(of);
  const mean = (list: readonly number[]) => list.reduce((sum, each) => sum + each, 0) / list.length;
  const [meanX, meanY] = [mean(x), mean(y)];
  const spread = x.reduce((sum, each) => sum + (each - meanX) ** 2, 0);
  const slope = x.reduce((sum, each, index) => sum + (each - meanX) * (y[index]! - meanY), 0) / spread;
  const rest = y.reduce((sum, each, index) => sum + (each - meanY - slope * (x[index]! - meanX)) ** 2, 0);
  const growth = (slope * (x.at(-1)! - x[0]!)) / meanY;
  const error = Math.sqrt(rest / Math.max(1, y.length - 2) / spread);
  return { perThousand: Math.round(slope), error: Math.round(error), growth, grows: growth > NOISE && slope > STANDARD_ERRORS * error };
}

function kilobytes(bytes: number): string {
  return (bytes / 1000).toFixed(1);
}

function row(sample: Sample): string {
  const mega = (bytes: number) => (bytes / 1e6).toFixed(1);
  const { requests, seconds, residentBytes, residentBytesCollected, heapBytes, externalBytes } = sample;
  const cells: [string | number, number][] = [
    [requests, 9],
    [seconds.toFixed(0), 9],
    [mega(residentBytes), 9],
    [mega(residentBytesCollected), 11],
    [mega(heapBytes), 9],
    [mega(externalBytes), 13],
    [sample.sockets, 9],
    [sample.otherFiles, 7],
    [sample.threads, 9],
    [sample.pages - sample.freePages, 12],
  ];
  return cells.map(([value, width]) => String(value).padStart(width)).join("");
}
