import { describe, expect, test } from "vitest";
import type { DemoReport, DoctorReport, MemoryPlan } from "../../config/reports.ts";
import { createStyle } from "../terminal/style.ts";
import { renderDemoEvent, renderDemoPart, renderDemoReport } from "./render-demo.ts";
import { renderDoctor } from "./render-doctor.ts";
import { renderPlan } from "./render-plan.ts";

const plain = createStyle(false);

describe("plan", () => {
  const plan: MemoryPlan = {
    model: "Mistral-Nemo",
    device: "cuda:0",
    method: "qlora",
    items: [
      { name: "adapters", bytes: 228e6, why: "57.0 M parameters, f32" },
      { name: "activations", bytes: 16.9e9, why: "batch 8 × 2,048 tokens" },
      { name: "base weights", bytes: 4.1e9, why: "nf4" },
    ],
    totalBytes: 21.228e9,
    availableBytes: 15.7e9,
    fits: false,
    tokensPerStep: 16384,
    secondsPerStep: 3.5,
    steps: 100,
    knobs: [
      { change: "batchSize: 4, gradientAccumulation: 2", totalBytes: 13e9, fits: true, cost: "same effective batch" },
      { change: "optimizerState: 8bit", totalBytes: 21e9 },
    ],
    reasons: { compute: "bf16: the fastest on cuda:0 (sm_90)" },
  };

  test("what does not fit", () => {
    expect(renderPlan(plan, plain)).toMatchInlineSnapshot(`
      "qlora of Mistral-Nemo on cuda:0
        activations   16.9 GB  79.6%  batch 8 × 2,048 tokens
        base weights  4.10 GB  19.3%  nf4
        adapters       228 MB   1.1%  57.0 M parameters, f32
        together      21.2 GB
        available     15.7 GB
      It does not fit: 5.53 GB too much.
      About 3.5s a step, 4,681 tok/s; 100 steps take about 5m50s.
      What would help, the mildest first:
        batchSize: 4, gradientAccumulation: 2  13.0 GB  fits            same effective batch
        optimizerState: 8bit                   21.0 GB  still too much
      Chosen for you:
        compute  bf16: the fastest on cuda:0 (sm_90)"
    `);
  });

  test("what fits, without figures that are not known", () => {
    const small = { ...plan, totalBytes: 1e9, items: [], fits: true, knobs: [], secondsPerStep: undefined, reasons: {} };
    expect(renderPlan(small, plain)).toMatchInlineSnapshot(`
      "qlora of Mistral-Nemo on cuda:0
        together   1.00 GB
        available  15.7 GB
      It fits."
    `);
  });
});

test("doctor", () => {
  const report: DoctorReport = {
    remora: "0.1.0",
    node: "20.20.2",
    platform: "linux-x64",
    cpu: {
      model: "A processor",
      isas: [
        { name: "avx512_bf16", available: false, reason: "the processor lacks avx512_bf16" },
        { name: "avx2", available: true, reason: "AVX2, FMA and F16C" },
      ],
      chosen: "avx2",
      chosenReason: "REMORA_CPU=avx2",
      threads: 2,
      memoryBytes: 16e9,
      freeMemoryBytes: 9e9,
    },
    gpus: [{ name: "cuda", available: false, reason: "libcuda.so.1 was not found" }],
    kernels: [
      { name: "rms_norm", ok: true, detail: "worst 1.2e-7" },
      { name: "linear", ok: false, detail: "row 3: expected 1, found 2" },
    ],
    library: "prebuilds/linux-x64/libremora.so",
    peaks: [{ name: "f32 multiply-add", value: 123.456, unit: "GFLOP/s" }],
  };
  expect(renderDoctor(report, plain)).toMatchInlineSnapshot(`
    "remora 0.1.0  Node 20.20.2, linux-x64

    CPU
      A processor; 2 threads; 16.0 GB memory (9.00 GB free)
      –  avx512_bf16        the processor lacks avx512_bf16
      ✓  avx2         used  AVX2, FMA and F16C
      avx2: REMORA_CPU=avx2
      native library: prebuilds/linux-x64/libremora.so

    GPUs
      –  cuda    libcuda.so.1 was not found

    Kernels  1 wrong
      ✓  rms_norm  worst 1.2e-7
      ✗  linear    row 3: expected 1, found 2

    Peaks
      f32 multiply-add  123  GFLOP/s"
  `);
});

test("demo", () => {
  const report: DemoReport = {
    model: "remora-base",
    device: "cpu",
    train: { steps: 60, tokens: 61_440, tokensPerSecond: 5120.4, lossFirst: 3.21, lossLast: 1.02 },
    eval: { metric: "chrF", count: 24, before: 8.1, after: 61.4 },
    saved: [{ format: "nf4", retained: 0.984, top1: 0.971 }],
    seconds: 74.2,
  };
  const samples = [
    { input: "雨が降っています。", answer: "It is raining.\n" },
    { input: "風が強い。", answer: " " },
  ];
  const start = {
    model: "remora-base",
    instruction: "次の文を英語に翻訳してください。",
    rows: 400,
    heldOutRows: 24,
    steps: 60,
    out: "run",
  };
  const score = { chrF: 61.4, count: 24 };
  const tested = { ...score, test: { chrF: 30, count: 500 } };
  const sample = { input: "雨です。", expected: "It is rain.", answers: { before: "", after: "It rains.", saved: "It rains." } };
  const text = [
    renderDemoEvent({ event: "demo-start", ...start }, plain),
    renderDemoEvent({ event: "demo-start", ...start, test: { file: "pairs.tsv", rows: 200, of: 500 } }, plain).split("\n")[3],
    renderDemoEvent({ event: "answers-start", stage: "before", count: 24 }, plain),
    renderDemoEvent({ event: "answers-end", stage: "before", score: { chrF: 8.1, count: 24 }, seconds: 2, samples }, plain),
    renderDemoPart("learn", plain),
    renderDemoEvent({ event: "answers-end", stage: "after", score: tested, seconds: 2, samples: [] }, plain),
    renderDemoPart("save", plain),
    renderDemoEvent({ event: "answers-start", stage: "saved", count: 24 }, plain),
    renderDemoEvent(
      {
        event: "demo-end",
        scores: { before: score, after: score, saved: score },
        samples: [sample, { ...sample, answers: { ...sample.answers, saved: "Rain." } }],
        page: "run/demo.html",
      },
      plain,
    ),
    renderDemoReport(report, plain, "run"),
    renderDemoReport(
      { ...report, eval: { ...report.eval, after: 4 }, test: { metric: "chrF", count: 500, before: 9, after: 30 } },
      plain,
      "run",
    ),
  ].join("\n");
  expect(text).toMatchInlineSnapshot(`
    "remora demo: a language model learns to translate, on this machine, offline
      The model is remora-base, which ships with remora. It has read Japanese, English and pairs of both, but was never asked for English by an instruction.
      The task: 次の文を英語に翻訳してください。 (Translate the next sentence into English.)
      It learns from 400 rows in 60 steps; 24 sentences that it never sees judge it.
      chrF: the letters an answer shares with the right one, 0 to 100. Loss: how surprised the model is by the right answer, lower is better.
      It learns from 400 rows in 60 steps; 24 sentences that it never sees judge it, and the first 200 of 500 in pairs.tsv.

    1/5 Asking the model as it ships: 24 sentences
      Before: chrF 8.1 over 24 held-out sentences in 2.0s
        雨が降っています。  → It is raining.
        風が強い。  → (nothing)

    2/5 Learning: QLoRA, an adapter over weights in 4 bits. Rows held out of the training rows choose the best one
      After: chrF 61.4 over 24 held-out sentences, 30.0 over the 500 of the test file in 2.0s

    4/5 Merging the adapter into the model, saved in 4 bits, and proving the files

    5/5 Asking the saved model, read from disk: 24 sentences

    Side by side: 2 of the 24 sentences
      雨です。
        expected It is rain.
        before   (nothing)
        after    It rains.
        saved    the same
      雨です。
        expected It is rain.
        before   (nothing)
        after    It rains.
        saved    Rain.

    Done in 1m14s: chrF 8.1 → 61.4
      60 steps, 61,440 tokens at 5,120 tok/s; training loss 3.210 → 1.020
      saved nf4: 98.4% of what was learnt retained, same first choice 97.1%
      The page of this run: run/demo.html
      Ask it yourself: remora generate --model run/saved --instruction 次の文を英語に翻訳してください。 --input 雨が降っています。
      Now yours: remora train --model <model> --data <rows.jsonl>

    Done in 1m14s: chrF 8.1 → 4.0
      test file: chrF 9.0 → 30.0 over 500 sentences
      60 steps, 61,440 tokens at 5,120 tok/s; training loss 3.210 → 1.020
      saved nf4: 98.4% of what was learnt retained, same first choice 97.1%
      The page of this run: run/demo.html
      Ask it yourself: remora generate --model run/saved --instruction 次の文を英語に翻訳してください。 --input 雨が降っています。
      Now yours: remora train --model <model> --data <rows.jsonl>"
  `);
});
