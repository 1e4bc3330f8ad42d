/**
 * `demo`: the whole journey in minutes, offline. The model that ships with remora answers held-out sentences, learns from example rows with its
 * weights in 4 bits, answers again with the new adapter, is merged, proven and saved, and answers a third time from the files.
 *
 * The held-out sentences judge and nothing else: the checkpoint that is kept is chosen on rows split off the training rows.
 */
import { existsSync } from "node:fs";
import { mkdir, rm } from "node:fs/promises";
import { join } from "node:path";
import { parseConfig } from "../config/parse.ts";
import type { DemoEvent, DemoReport, DemoScore, DemoStage, SaveEvent, SaveReport } from "../config/reports.ts";
import { type DemoConfigInput, demoSchema } from "../config/schemas/demo.ts";
import { exportModel, type RunResult, train } from "../engine/index.ts";
import { FileAccessError } from "../errors/file-access-error.ts";
import { writeFileAtomically } from "../formats/atomic-file.ts";
import { packageVersion, smallModel } from "../hub/shipped-models.ts";
import type { TrainEvent } from "../training/events.ts";
import { answerRows, type DemoAnswers, scoreAnswers } from "./demo/answer-rows.ts";
import { type DemoData, type LossCurve, renderDemoPage } from "./demo/demo-page.ts";
import { type DemoRow, readDemoRows, readTestRows } from "./demo/demo-rows.ts";

/** About two passes over the rows: a minute of a laptop's two cores. */
const STEPS = 110;
/** High, because the model is small; 1e-4 to 2e-4 suits models of a billion parameters. */
const LEARNING_RATE = 2e-3;
/** Training rows that choose the checkpoint. */
const VALIDATION_ROWS = 100;
const EVALUATIONS = 5;
const SHOWN_SAMPLES = 10;
const SHOWN_EARLY = 3;

export interface DemoOptions {
  readonly signal?: AbortSignal;
  readonly onEvent?: (event: DemoEvent | TrainEvent | SaveEvent) => void;
}

/** @throws CancelledError when the signal aborts; a folder that the demo made itself is removed then */
export async function demo(config: DemoConfigInput = {}, options: DemoOptions = {}): Promise<DemoReport> {
  const { out, ...settings } = parseConfig(demoSchema, config, "Configuring remora demo");
  const isNew = !existsSync(out);
  try {
    await mkdir(out, { recursive: true });
  } catch (cause) {
    throw new FileAccessError("Making the folder", out, cause);
  }
  try {
    return await runDemo(out, settings, options);
  } catch (error) {
    if (isNew) await rm(out, { recursive: true, force: true });
    throw error;
  }
}

async function runDemo(
  out: string,
  { device, threads, seed, maxSteps = STEPS, testFile }: Omit<ReturnType<typeof demoSchema.parse>, "out">,
  { signal, onEvent: emit = () => {} }: DemoOptions,
): Promise<DemoReport> {
  const startedAt = performance.now();
  const seconds = () => (performance.now() - startedAt) / 1000;
  const model = smallModel();
  const place = { device, threads, offline: true };
  const { trainPath, trainCount, heldOut } = await readDemoRows();
  const { instruction } = heldOut[0]!;
  const testRows = testFile === undefined ? [] : await readTestRows(testFile, instruction);
  const rows: DemoRow[] = [...heldOut, ...testRows];
  emit({
    event: "demo-start",
    model,
    instruction,
    rows: trainCount,
    heldOutRows: heldOut.length,
    testRows: testRows.length,
    steps: maxSteps,
    out,
  });

  const answers = new Map<DemoStage, DemoAnswers>();
  const scores = new Map<DemoStage, DemoScore>();
  const ask = async (stage: DemoStage, session: Parameters<typeof answerRows>[0]) => {
    const from = seconds();
    emit({ event: "answers-start", stage, count: rows.length });
    const onBegun = (begun: number) => emit({ event: "answers-progress", stage, begun, count: rows.length });
    const answered = await answerRows({ ...place, ...session }, rows, { signal, onBegun });
    answers.set(stage, answered);
    scores.set(stage, scoreAnswers(rows, answered.texts, heldOut.length));
    const samples = shown(heldOut.length, SHOWN_EARLY).map((at) => ({ input: rows[at]!.input, answer: answered.texts[at]! }));
    emit({ event: "answers-end", stage, score: scores.get(stage)!, seconds: seconds() - from, samples });
  };

  await ask("before", { model });
  const curve: LossCurve = { steps: [], evaluations: [] };
  const run = await learn();
  await ask("after", { model, adapter: run.adapterPath, base: "nf4" });
  const save = await exportModel(
    { ...place, model, adapter: run.adapterPath, format: "nf4", out: join(out, "saved"), force: true },
    { signal, onEvent: emit },
  );
  await ask("saved", { model: save.out });

  const report = reportOf({ model, device: answers.get("before")!.device, run, scores, save, seconds: seconds() });
  const data: DemoData = {
    remora: packageVersion(),
    madeAt: new Date().toISOString(),
    report,
    instruction,
    rows: { learnt: trainCount - VALIDATION_ROWS, aside: VALIDATION_ROWS },
    scores: Object.fromEntries(scores) as DemoData["scores"],
    sentences: heldOut.map(({ input, output }, at) => ({
      input,
      expected: output,
      answers: Object.fromEntries([...answers].map(([stage, { texts }]) => [stage, texts[at]!])) as Record<DemoStage, string>,
    })),
    shown: shown(heldOut.length, SHOWN_SAMPLES),
    curve,
    save,
  };
  const page = join(out, "demo.html");
  await writeFileAtomically(join(out, "demo.json"), `${JSON.stringify(data, null, 1)}\n`);
  await writeFileAtomically(page, renderDemoPage(data));
  emit({ event: "demo-end", scores: data.scores, samples: data.shown.map((at) => data.sentences[at]!), page });
  return report;

  function learn(): Promise<RunResult> {
    const onEvent = (event: TrainEvent) => {
      if (event.event === "step-end") curve.steps.push({ step: event.step, loss: event.loss });
      if (event.event === "eval-end") curve.evaluations.push({ step: event.step, loss: event.loss });
      emit(event);
    };
    const config = {
      ...place,
      seed,
      model,
      data: trainPath,
      out: join(out, "run"),
      force: true,
      method: "qlora" as const,
      template: "instruct",
      validation: { count: VALIDATION_ROWS },
      evalEvery: Math.max(1, Math.ceil(maxSteps / EVALUATIONS)),
      maxSteps,
      learningRate: LEARNING_RATE,
      lora: { rank: 16, alpha: 32 },
    };
    return train(config, { signal, onEvent });
  }
}

function reportOf(
  made: Pick<DemoReport, "model" | "device" | "seconds"> & { run: RunResult; scores: ReadonlyMap<DemoStage, DemoScore>; save: SaveReport },
): DemoReport {
  const { model, device, run, scores, save, seconds } = made;
  const [before, after] = [scores.get("before")!, scores.get("after")!];
  const metric = "chrF" as const;
  return {
    model,
    device,
    train: {
      steps: run.steps,
      tokens: run.tokens,
      tokensPerSecond: run.tokensPerSecond,
      lossFirst: run.lossFirst,
      lossLast: run.lossLast,
    },
    eval: { metric, count: before.count, before: before.chrF, after: after.chrF },
    ...(before.test && { test: { metric, count: before.test.count, before: before.test.chrF, after: after.test!.chrF } }),
    saved: [{ format: save.format, retained: save.proof.saved.retained ?? 1, top1: save.proof.saved.top1 }],
    seconds,
  };
}

/** Places of a few sentences, evenly spread and fixed before anything is answered, so that none is picked for its answer. */
function shown(all: number, count: number): number[] {
  return Array.from({ length: Math.min(count, all) }, (_, index) => Math.floor(((index + 0.5) * all) / Math.min(count, all)));
}
