import { describe, expect, test } from "vitest";
import type { DemoReport, DoctorReport, MemoryPlan } from "../../config/reports.ts";
import { createStyle } from "../terminal/style.ts";
import { renderDemoEvent, renderDemoReport } from "./render-demo.ts";
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
    seconds: 74.2,
  };
  const samples = [
    { input: "雨が降っています。", expected: "It is raining.", answer: "It is raining.\n" },
    { input: "風が強い。", expected: "The wind is strong.", answer: " " },
  ];
  const text = [
    renderDemoEvent(
      { event: "demo-start", model: "remora-base", instruction: "次の文を英語に翻訳してください。", rows: 400, heldOutRows: 24, steps: 60 },
      plain,
    ),
    renderDemoEvent({ event: "answers-start", stage: "before", count: 24 }, plain),
    renderDemoEvent({ event: "answers-end", stage: "before", heldOutLoss: 3.3, chrF: 8.1, count: 24, samples }, plain),
    renderDemoEvent({ event: "answers-end", stage: "after", heldOutLoss: 1, chrF: 61.4, count: 24, samples: [] }, plain),
    renderDemoReport(report, plain),
    renderDemoReport({ ...report, eval: { ...report.eval, after: 4 } }, plain, "run"),
  ].join("\n");
  expect(text).toMatchInlineSnapshot(`
    "remora demo: a language model learns to translate, on this machine, offline
      The model is remora-base, which ships with remora. It has read sentence pairs, but has never been given an instruction.
      The task: 次の文を英語に翻訳してください。 (Translate the next sentence into English.)
      It learns from 400 rows in 60 steps; 24 other rows are kept aside to judge it.
      Loss: how surprised it is by the right answer, lower is better. chrF: the letters it shares with the right answer, 0 to 100.

    Asking the model as it ships: 24 sentences…
    Before: held-out loss 3.300, chrF 8.1 over 24 sentences
      雨が降っています。
        expected It is raining.
        answered It is raining.
      風が強い。
        expected The wind is strong.
        answered (nothing)
    After: held-out loss 1.000, chrF 61.4 over 24 sentences

    Done in 1m14s: chrF 8.1 → 61.4
      60 steps, 61,440 tokens at 5,120 tok/s; training loss 3.210 → 1.020
      The adapter was in a temporary folder, removed now; --out run keeps it.
      Now yours: remora train --model <model> --data <rows.jsonl>

    Done in 1m14s: chrF 8.1 → 4.0
      60 steps, 61,440 tokens at 5,120 tok/s; training loss 3.210 → 1.020
      The adapter, the one with the lowest held-out loss, is in run/adapter.
      Now yours: remora train --model <model> --data <rows.jsonl>"
  `);
});
