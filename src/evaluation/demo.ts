/**
 * `demo`: the whole journey in minutes, offline. The model that ships with remora answers held-out sentences, learns from example rows with its
 * weights in 4 bits, answers again with the new adapter, is merged, proven and saved, and answers a third time from the files.
 *
 * The held-out sentences judge and nothing else: the adapter that is kept is chosen on rows split off the training rows.
 */
import { existsSync } from "node:fs";
import { rm } from "node:fs/promises";
import { join } from "node:path";
import { parseConfig } from "../config/parse.ts";
import type { DemoEvent, DemoReport, DemoScore, DemoStage, SaveEvent, SaveReport } from "../config/reports.ts";
import { type DemoConfig, type DemoConfigInput, demoSchema } from "../config/schemas/demo.ts";
import { exportModel, type RunResult, train } from "../engine/index.ts";
import { writeFileAtomically } from "../formats/atomic-file.ts";
import { makeFolder } from "../formats/make-folder.ts";
import { packageVersion, SMALL_MODEL } from "../hub/shipped-models.ts";
import type { TrainEvent } from "../training/events.ts";
import { type DemoData, type LossCurve, renderDemoPage } from "./demo/demo-page.ts";
import { openTestRows, readDemoRows } from "./demo/demo-rows.ts";
import { Stages } from "./demo/stages.ts";

/** About two passes over the rows: a minute of a laptop's two cores. */
const STEPS = 110;
/** High, because the model is small; 1e-4 to 2e-4 suits models of a billion parameters. */
const LEARNING_RATE = 2e-3;
/** Training rows that are not learnt but choose the adapter. */
const VALIDATION_ROWS = 100;
const EVALUATIONS = 5;

export interface DemoOptions {
  readonly signal?: AbortSignal;
  readonly onEvent?: (event: DemoEvent | TrainEvent | SaveEvent) => void;
}

/** @throws CancelledError when the signal aborts; a folder that the demo made itself is removed when it fails */
export async function demo(config: DemoConfigInput = {}, options: DemoOptions = {}): Promise<DemoReport> {
  const parsed = parseConfig(demoSchema, config, "Configuring remora demo");
  const { out } = parsed;
  const isNew = !existsSync(out);
  makeFolder(out);
  try {
    return await runDemo(parsed, options);
  } catch (error) {
    if (isNew) await rm(out, { recursive: true, force: true });
    throw error;
  }
}

async function runDemo(config: DemoConfig, { signal, onEvent: emit = () => {} }: DemoOptions): Promise<DemoReport> {
  const startedAt = performance.now();
  const { out, device, threads, testFile, maxSteps: steps = STEPS } = config;
  const model = SMALL_MODEL;
  const place = { device, threads, offline: true };
  const { trainPath, trainCount, heldOut } = await readDemoRows();
  const { instruction } = heldOut[0]!;
  const opened = await openTestRows(testFile, instruction);
  const test = opened && { file: opened.file, rows: opened.rows.length, of: opened.of };
  const counts = { rows: trainCount, heldOutRows: heldOut.length, ...(test && { test }) };
  emit({ event: "demo-start", model, instruction, ...counts, steps, out });

  const stages = new Stages(heldOut, opened?.rows ?? [], signal, emit);
  const askedOn = await stages.ask("before", { ...place, model });
  const { run, curve } = await learn({ ...place, model, seed: config.seed, data: trainPath, maxSteps: steps, out: join(out, "run") });
  await stages.ask("after", { ...place, model, adapter: run.adapterPath, base: "nf4" });
  const target = { format: "nf4", out: join(out, "saved"), force: true };
  const save = await exportModel({ ...place, model, adapter: run.adapterPath, ...target }, { signal, onEvent: emit });
  await stages.ask("saved", { ...place, model: save.out });

  const { scores, sentences, shown } = stages;
  const report = reportOf(model, askedOn, run, scores, save, (performance.now() - startedAt) / 1000);
  const rows = { learnt: trainCount - VALIDATION_ROWS, aside: VALIDATION_ROWS };
  const made = { remora: packageVersion(), madeAt: new Date().toISOString() };
  const page = await writePage(out, { ...made, report, instruction, rows, ...(test && { test }), scores, sentences, shown, curve, save });
  emit({ event: "demo-end", scores, samples: shown.map((at) => sentences[at]!), page });
  return report;

  async function learn(place: Parameters<typeof train>[0]) {
    const curve: LossCurve = { steps: [], evaluations: [] };
    const recipe = {
      force: true,
      method: "qlora" as const,
      template: "instruct",
      learningRate: LEARNING_RATE,
      lora: { rank: 16, alpha: 32 },
      validation: { count: VALIDATION_ROWS },
      evalEvery: Math.ceil(steps / EVALUATIONS),
    };
    const onEvent = (event: TrainEvent) => {
      if (event.event === "step-end") curve.steps.push({ step: event.step, loss: event.loss });
      if (event.event === "eval-end") curve.evaluations.push({ step: event.step, loss: event.loss });
      emit(event);
    };
    return { run: await train({ ...place, ...recipe }, { signal, onEvent }), curve };
  }
}

/** `demo.html`, and `demo.json` with all that is on it. */
async function writePage(folder: string, data: DemoData): Promise<string> {
  const page = join(folder, "demo.html");
  await writeFileAtomically(join(folder, "demo.json"), `${JSON.stringify(data, null, 1)}\n`);
  await writeFileAtomically(page, renderDemoPage(data));
  return page;
}

function reportOf(
  model: string,
  device: string,
  run: RunResult,
  { before, after }: Readonly<Record<DemoStage, DemoScore>>,
  { format, proof }: SaveReport,
  seconds: number,
): DemoReport {
  const { steps, tokens, tokensPerSecond, lossFirst, lossLast } = run;
  const metric = "chrF" as const;
  return {
    model,
    device,
    train: { steps, tokens, tokensPerSecond, lossFirst, lossLast },
    eval: { metric, count: before.count, before: before.chrF, after: after.chrF },
    ...(before.test && { test: { metric, count: before.test.count, before: before.test.chrF, after: after.test!.chrF } }),
    saved: [{ format, retained: proof.saved.retained ?? 1, top1: proof.saved.top1 }],
    seconds,
  };
}
