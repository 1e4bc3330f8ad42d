/**
 * Mixes tried against each other before the run: each of mixes.yaml from the same seed for 1,500 steps, about a minute of an H100, with the whole
 * schedule laid over them, on the trial part of every source, so small that a source is read as often in a trial as in the run. On whole
 * sources little would be read twice in a minute, and what a mix reads too often could not show.
 *
 *   node trials.mjs --app <folder with dist/> [--steps 1500] [--final-steps 13000] [--device cuda] [--out trials.json] [--only A,B] [--set JSON]
 *   node trials.mjs --write NAME --to pretrain-NAME.json        the run's config with that mix; touches nothing else
 *
 * In a folder with model/, tokens/, tokens/trial/, tokens/held-out/, data/; pretrain.yaml and mixes.yaml beside this file. Prints tables; `--out` gets
 * everything, evaluations on the way included. --set lays options over all trials (for a test at toy size).
 */
import { readFileSync, writeFileSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { pathToFileURL } from "node:url";
import { parseArgs } from "node:util";
import type { PretrainConfigInput } from "../../src/config/schemas/pretrain.ts";
import type * as Engine from "../../src/engine/index.ts";
import { chrF } from "../../src/evaluation/scores/chrf.ts";
import type { SourceScore } from "../../src/training/events.ts";
import { type PretrainFile, passesOf, readMixes } from "./mixes.ts";

/** Of the run's 200, what a trial can afford. */
const WARMUP_STEPS = 100;
const EVALUATE_EVERY = 300;
/** Scored as well, because a mean over languages should not be one of two sources. */
const MORE_HELD_OUT = ["ja-manual", "en-wiki"];
const LANGUAGES = { ja: ["ja-books", "ja-wiki", "ja-manual"], en: ["en-books", "en-wiki", "en-factbook"] };
const PAIRS = ["learner-pairs", "manual-pairs", "everyday"];
const SENTENCES = 200;

const { values: flags } = parseArgs({
  options: {
    app: { type: "string", default: "." },
    steps: { type: "string", default: "1500" },
    "final-steps": { type: "string", default: "13000" },
    device: { type: "string", default: "cuda" },
    out: { type: "string", default: "trials.json" },
    only: { type: "string" },
    set: { type: "string", default: "{}" },
    write: { type: "string" },
    to: { type: "string" },
  },
});

interface Trial {
  readonly name: string;
  readonly steps: number;
  readonly tokensPerSecond: number;
  /** Last evaluation, by source. */
  readonly scores: Record<string, SourceScore>;
  /** Loss of the last evaluation less that of the best: above 0 where a source was read too often. */
  readonly rise: Record<string, number>;
  readonly evaluations: readonly { step: number; losses: Record<string, number> }[];
  /** Of sentences asked as `日本語: …\n英語:`. */
  readonly chrF: Record<string, number>;
  /** In the run that the trial stands for. */
  readonly passes: Record<string, number | undefined>;
}

const here = dirname(resolve(process.argv[1]!));
const mixes = readMixes(join(here, "pretrain.yaml"), join(here, "mixes.yaml"));
if (flags.write === undefined) await runTrials();
else writeConfig(flags.write, flags.to ?? `pretrain-${flags.write}.json`);

function writeConfig(name: string, to: string): void {
  const mix = mixes.get(name);
  if (mix === undefined) throw new Error(`expected one of ${[...mixes.keys()].join(", ")}, found ${name}`);
  writeFileSync(to, `${JSON.stringify(mix, null, 2)}\n`);
}

async function runTrials(): Promise<void> {
  const engine = (await import(pathToFileURL(resolve(flags.app, "dist", "engine", "index.js")).href)) as typeof Engine;
  const wanted = flags.only?.split(",") ?? [...mixes.keys()];
  const trials: Trial[] = [];
  for (const name of wanted) {
    const trial = await runTrial(engine, name, mixes.get(name)!);
    trials.push(trial);
    // Written after each: a call that runs out of time keeps what it has.
    writeFileSync(flags.out, `${JSON.stringify({ steps: flags.steps, finalSteps: flags["final-steps"], trials }, null, 1)}\n`);
  }
  console.log(tables(trials));
}

async function runTrial(engine: typeof Engine, name: string, mix: PretrainFile): Promise<Trial> {
  const evaluations: Trial["evaluations"][number][] = [];
  let scores: Record<string, SourceScore> = {};
  const out = join("trials", name);
  const config = {
    ...mix,
    data: Object.fromEntries(Object.entries(mix.data).map(([source, path]) => [source, path.replace("tokens/", "tokens/trial/")])),
    heldOut: { ...mix.heldOut, ...Object.fromEntries(MORE_HELD_OUT.map((source) => [source, `tokens/held-out/${source}.tokens`])) },
    maxSteps: Number(flags.steps),
    warmupSteps: WARMUP_STEPS,
    evalEvery: EVALUATE_EVERY,
    ...(JSON.parse(flags.set) as object),
    device: flags.device,
    out,
    force: true,
  } as unknown as PretrainConfigInput;
  const run = await engine.pretrain(config, {
    onEvent(event) {
      if (event.event !== "eval-end" || event.sources === undefined) return;
      scores = event.sources;
      evaluations.push({
        step: event.step,
        losses: Object.fromEntries(Object.entries(scores).map(([source, { loss }]) => [source, loss])),
      });
    },
  });
  const rise = Object.fromEntries(
    Object.entries(scores).map(([source, { loss }]) => [source, loss - Math.min(...evaluations.map(({ losses }) => losses[source]!))]),
  );
  const chrF = await translate(engine, join(out, "model"));
  const { steps, tokens, tokensPerSecond } = run;
  const passes = passesOf(mix, (tokens / steps) * Number(flags["final-steps"]));
  console.log(`${name}: ${steps} steps at ${Math.round(tokensPerSecond).toLocaleString("en-US")} tokens/s`);
  return { name, steps, tokensPerSecond, scores, rise, evaluations, chrF, passes };
}

/** The demo's sentences and the learners' held-out ones, in a form that the model was pretrained on. */
async function translate(engine: typeof Engine, model: string): Promise<Record<string, number>> {
  const lines = (path: string) => readFileSync(path, "utf8").split("\n").filter(Boolean).slice(0, SENTENCES);
  const demo = lines(join("data", "demo-held-out.jsonl")).map((line) => JSON.parse(line) as { input: string; output: string });
  const learners = lines(join("data", "translation", "valid.tsv")).map((line) => {
    const [input = "", output = ""] = line.split("\t");
    return { input, output };
  });
  const asked = { device: flags.device, greedy: true, maxTokens: 48, stop: ["\n"], slots: 64, cacheTokens: 64 * 192 };
  const session = await engine.openModel({ model, ...asked });
  try {
    const answers = await session.generate([...demo, ...learners].map(({ input }) => ({ prompt: `日本語: ${input}\n英語:` })));
    const texts = answers.map(({ text }) => text.trim());
    const over = (rows: readonly { output: string }[], from: number) =>
      chrF(
        texts.slice(from, from + rows.length),
        rows.map(({ output }) => output),
      );
    return { demo: over(demo, 0), learners: over(learners, demo.length) };
  } finally {
    await session.close();
  }
}

function tables(trials: readonly Trial[]): string {
  const header = (first: string) => [
    `| ${first} | ${trials.map(({ name }) => name).join(" | ")} |`,
    `|---|${"---|".repeat(trials.length)}`,
  ];
  const row = (title: string, cell: (trial: Trial) => string) => `| ${title} | ${trials.map(cell).join(" | ")} |`;
  const bits = (sources: readonly string[]) => (trial: Trial) =>
    mean(sources.map((source) => trial.scores[source]!.bitsPerByte)).toFixed(4);
  const sources = Object.keys(trials[0]!.scores);
  return [
    "",
    "Held-out:",
    ...header("bits a byte, and nats for pairs"),
    ...Object.entries(LANGUAGES).map(([language, names]) => row(`${language}: ${names.join(", ")}`, bits(names))),
    row(`pairs: ${PAIRS.join(", ")}`, (trial) => mean(PAIRS.map((source) => trial.scores[source]!.loss)).toFixed(4)),
    row("chrF, the demo's sentences", ({ chrF }) => chrF.demo!.toFixed(1)),
    row("chrF, learners' held-out sentences", ({ chrF }) => chrF.learners!.toFixed(1)),
    "",
    "Loss in nats at the end (above its best on the way):",
    ...header("source"),
    ...sources.map((source) => row(source, ({ scores, rise }) => `${scores[source]!.loss.toFixed(3)} (+${rise[source]!.toFixed(3)})`)),
    "",
    `Passes over each source in a run of ${flags["final-steps"]} steps:`,
    ...header("source"),
    ...[...new Set(trials.flatMap(({ passes }) => Object.keys(passes)))].map((source) =>
      row(source, ({ passes }) => passes[source]?.toFixed(1) ?? ""),
    ),
  ].join("\n");
}

function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}
