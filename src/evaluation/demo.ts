/**
 * `demo`: the whole journey in minutes, offline. The model that ships with remora answers held-out sentences, learns from example rows,
 * answers again from the saved adapter in a fresh engine, and the two are compared.
 */
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseConfig } from "../config/parse.ts";
import type { DemoEvent, DemoReport, DemoSample } from "../config/reports.ts";
import { type DemoConfigInput, demoSchema } from "../config/schemas/demo.ts";
import { openModel, type RunResult, train } from "../engine/index.ts";
import { CancelledError } from "../errors/cancelled-error.ts";
import { packageFolder } from "../hub/shipped-models.ts";
import type { TrainEvent } from "../training/events.ts";
import { chrF } from "./chrf.ts";

const MODEL = "remora-toy";
/** Enough that the held-out loss flattens; about two minutes on two cores. */
const STEPS = 120;
const LEARNING_RATE = 2e-3;
const SHOWN_SAMPLES = 4;
/** Answers are one sentence; a model that rambles is cut here. */
const MAX_TOKENS = 60;

interface Row {
  instruction: string;
  input: string;
  output: string;
}

export interface DemoOptions {
  readonly signal?: AbortSignal;
  readonly onEvent?: (event: DemoEvent | TrainEvent) => void;
}

export async function demo(config: DemoConfigInput = {}, options: DemoOptions = {}): Promise<DemoReport> {
  const { device, threads, seed, maxSteps = STEPS, out } = parseConfig(demoSchema, config, "Configuring remora demo");
  const startedAt = performance.now();
  const folder = out ?? (await mkdtemp(join(tmpdir(), "remora-demo-")));
  const examples = join(packageFolder(), "examples", "translate");
  const [trainPath, heldOutPath] = [join(examples, "train.jsonl"), join(examples, "held-out.jsonl")];
  const heldOut = await readRows(heldOutPath);
  const emit = options.onEvent ?? (() => {});
  const place = { device, threads, seed, offline: true };
  const ask = async (stage: "before" | "after", adapter?: string) => {
    if (options.signal?.aborted) throw new CancelledError("Running the demo");
    emit({ event: "answers-start", stage, count: heldOut.length });
    return answer({ ...place, model: MODEL, template: "instruct", adapter }, heldOut, options.signal);
  };
  try {
    const rows = (await readRows(trainPath)).length;
    emit({ event: "demo-start", model: MODEL, instruction: heldOut[0]!.instruction, rows, heldOutRows: heldOut.length, steps: maxSteps });
    const before = await ask("before");
    const run = await trainWithStory(before.answers);
    const after = await ask("after", run.adapterPath);
    emit(answersEnd("after", run.validationLossBest ?? Number.NaN, heldOut, after.answers));
    return {
      model: MODEL,
      device: before.device,
      train: {
        steps: run.steps,
        tokens: run.tokens,
        tokensPerSecond: run.tokensPerSecond,
        lossFirst: run.lossFirst,
        lossLast: run.lossLast,
      },
      eval: { metric: "chrF", count: heldOut.length, before: score(heldOut, before.answers), after: score(heldOut, after.answers) },
      seconds: (performance.now() - startedAt) / 1000,
    };
  } finally {
    if (out === undefined) await rm(folder, { recursive: true, force: true });
  }

  /** The run's first evaluation, before any step, is the loss that belongs to the answers before. */
  function trainWithStory(answersBefore: readonly string[]): Promise<RunResult> {
    const onEvent = (event: TrainEvent) => {
      if (event.event === "eval-end" && event.step === 0) emit(answersEnd("before", event.loss, heldOut, answersBefore));
      emit(event);
    };
    const config = {
      ...place,
      model: MODEL,
      data: trainPath,
      out: folder,
      force: true,
      template: "instruct",
      validation: { path: heldOutPath },
      maxSteps,
      learningRate: LEARNING_RATE,
      lora: { rank: 16, alpha: 32 },
    };
    return train(config, { signal: options.signal, onEvent });
  }
}

async function answer(config: Parameters<typeof openModel>[0], rows: readonly Row[], signal: AbortSignal | undefined) {
  const session = await openModel({ ...config, greedy: true, maxTokens: MAX_TOKENS });
  try {
    const asked = rows.map(({ instruction, input }) => ({ row: { instruction, input } }));
    const answers = await session.generate(asked, { signal });
    if (signal?.aborted) throw new CancelledError("Running the demo");
    return { device: session.device, answers: answers.map(({ text }) => firstLine(text)) };
  } finally {
    await session.close();
  }
}

/** Answers are one line; whoever goes on talking, as a base model does, is judged by the first line that says something. */
function firstLine(text: string): string {
  return text.trim().split("\n")[0]!.trim();
}

function answersEnd(stage: "before" | "after", heldOutLoss: number, rows: readonly Row[], answers: readonly string[]): DemoEvent {
  const every = Math.max(1, Math.floor(rows.length / SHOWN_SAMPLES));
  const samples: DemoSample[] = rows
    .map(({ input, output }, index) => ({ input, expected: output, answer: answers[index]! }))
    .filter((_, index) => index % every === 0)
    .slice(0, SHOWN_SAMPLES);
  return { event: "answers-end", stage, heldOutLoss, chrF: score(rows, answers), count: rows.length, samples };
}

function score(rows: readonly Row[], answers: readonly string[]): number {
  return chrF(
    answers,
    rows.map(({ output }) => output),
  );
}

async function readRows(path: string): Promise<Row[]> {
  const text = await readFile(path, "utf8");
  return text
    .split("\n")
    .filter((line) => line !== "")
    .map((line) => JSON.parse(line) as Row);
}
