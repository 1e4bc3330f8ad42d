/**
 * Asks llama.cpp for its next-token distributions on given texts (teacher-forced), and writes them to a file that ours are compared with.
 *
 *   npm --prefix bench/parity install --omit=optional --ignore-scripts --no-package-lock
 *   npx tsx bench/parity/llama-cpp.ts model.gguf english.txt japanese.txt --tokens 1000 --out /tmp/reference.safetensors
 *
 * node-llama-cpp is an independent reader of GGUF. `controlledEvaluate` returns, for each token fed, the logits of the K likeliest next ones and
 * Σ exp(logit − max), from which log-probabilities under the whole softmax follow exactly. The KV cache is held in f32 and flash attention is off,
 * so what differs from us is llama.cpp's own arithmetic: it rounds activations to 8 bits before multiplying them by quantized weights.
 */
import { readFileSync } from "node:fs";
import { basename } from "node:path";
import { parseArgs } from "node:util";
import { type ReferenceText, writeReference } from "./reference-file.ts";

/** Tokens asked for in one call. Their results wait in memory together. */
const CHUNK_TOKENS = 64;

// The few parts of node-llama-cpp's interface used here, so that type checking does not need it installed.
type Logits = Map<number, number>;
type NextToken = { next: { logits?: Logits; totalLogitWeight?: number } };
type Ask = { generateNext: { logits: { filter: { tokens: number[]; includeTop: number } }; totalLogitWeight: true } };
interface Sequence {
  controlledEvaluate(input: [number, Ask][]): Promise<(NextToken | undefined)[]>;
}
interface Context {
  getSequence(): Sequence;
  dispose(): Promise<void>;
}
interface Model {
  tokens: { bos: number | null; shouldPrependBosToken: boolean };
  tokenize(text: string, specialTokens?: boolean): number[];
  createContext(options: Record<string, unknown>): Promise<Context>;
  dispose(): Promise<void>;
}
interface Llama {
  loadModel(options: Record<string, unknown>): Promise<Model>;
  dispose(): Promise<void>;
}
interface Library {
  getLlama(options: Record<string, unknown>): Promise<Llama>;
}

async function loadLibrary(): Promise<Library> {
  const name: string = "node-llama-cpp";
  try {
    return (await import(name)) as Library;
  } catch (cause) {
    throw new Error(
      "node-llama-cpp is not installed here. Install it with the line at the top of bench/parity/llama-cpp.ts (Linux x64; elsewhere name your platform's package in bench/parity/package.json).",
      { cause },
    );
  }
}

/** Feeds `tokens` one after another and keeps the likeliest `top` continuations of each. */
async function evaluate(sequence: Sequence, name: string, tokens: number[], top: number): Promise<ReferenceText> {
  const topIds = new Int32Array(tokens.length * top);
  const topLogprobs = new Float32Array(tokens.length * top);
  const ask: Ask = { generateNext: { logits: { filter: { tokens: [], includeTop: top } }, totalLogitWeight: true } };
  for (let start = 0; start < tokens.length; start += CHUNK_TOKENS) {
    const chunk = tokens.slice(start, start + CHUNK_TOKENS);
    const results = await sequence.controlledEvaluate(chunk.map((token) => [token, ask]));
    for (const [index, result] of results.entries()) {
      const { logits, totalLogitWeight } = result?.next ?? {};
      if (!logits || totalLogitWeight === undefined) throw new Error(`llama.cpp gave nothing for token ${start + index} of ${name}`);
      const sorted = [...logits].sort((a, b) => b[1] - a[1] || a[0] - b[0]);
      if (sorted.length !== top) throw new Error(`expected ${top} logits, llama.cpp gave ${sorted.length}: is --top over the vocabulary?`);
      const normalizer = sorted[0]![1] + Math.log(totalLogitWeight);
      for (const [rank, [id, logit]] of sorted.entries()) {
        topIds[(start + index) * top + rank] = id;
        topLogprobs[(start + index) * top + rank] = logit - normalizer;
      }
    }
    process.stderr.write(`\r${name}: ${start + chunk.length} of ${tokens.length} tokens`);
  }
  process.stderr.write("\n");
  return { name, tokens: Int32Array.from(tokens), top, topIds, topLogprobs };
}

async function main(): Promise<void> {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      tokens: { type: "string", default: "1000" },
      top: { type: "string", default: "1024" },
      threads: { type: "string", default: "2" },
      out: { type: "string", default: "reference.safetensors" },
    },
  });
  const [modelPath, ...textPaths] = positionals;
  const [count, top, threads] = [values.tokens, values.top, values.threads].map(Number);
  if (!modelPath || textPaths.length === 0 || !count || !top || !threads) {
    process.stderr.write(
      "usage: llama-cpp.ts model.gguf text.txt … [--tokens 1000] [--top 1024] [--threads 2] [--out reference.safetensors]\n",
    );
    process.exitCode = 2;
    return;
  }
  const { getLlama } = await loadLibrary();
  const llama = await getLlama({ gpu: false, build: "never", maxThreads: threads, logLevel: "error" });
  const model = await llama.loadModel({ modelPath, gpuLayers: 0 });
  const started = performance.now();
  const texts: ReferenceText[] = [];
  for (const path of textPaths) {
    const start = model.tokens.shouldPrependBosToken && model.tokens.bos !== null ? [model.tokens.bos] : [];
    const tokens = [...start, ...model.tokenize(readFileSync(path, "utf8"), false)].slice(0, count);
    const context = await model.createContext({
      contextSize: tokens.length + 8,
      sequences: 1,
      threads,
      flashAttention: false,
      experimentalKvCacheKeyType: "F32",
      experimentalKvCacheValueType: "F32",
      swaFullCache: true,
    });
    texts.push(await evaluate(context.getSequence(), basename(path), tokens, top));
    await context.dispose();
  }
  const seconds = (performance.now() - started) / 1000;
  await writeReference(values.out, { source: { program: "llama.cpp through node-llama-cpp 3.22.1", model: basename(modelPath) }, texts });
  await model.dispose();
  await llama.dispose();
  const total = texts.reduce((sum, text) => sum + text.tokens.length, 0);
  process.stdout.write(
    `${JSON.stringify({ model: basename(modelPath), out: values.out, tokens: total, top, seconds: Number(seconds.toFixed(1)) })}\n`,
  );
}

await main();
