/** A library whose answers are known, for tests of the command line: it records what it was asked and reports a short run. */
import type { AskRequest } from "../../config/reports.ts";
import type { TrainEvent } from "../../training/events.ts";
import type { Library, RunResult } from "../library.ts";

const RUN_RESULT: RunResult = {
  reason: "completed",
  steps: 2,
  tokens: 4096,
  tokensPerSecond: 812.4,
  lossFirst: 2.5,
  lossLast: 1.25,
  validationLossFirst: 2.4,
  validationLossBest: 1.5,
  bestStep: 2,
  peakMemoryBytes: 1_234_000_000,
  adapterPath: "run/adapter",
  seconds: 5.04,
};

export const RUN_EVENTS: TrainEvent[] = [
  {
    event: "run-start",
    model: "tiny",
    method: "lora",
    device: "cpu",
    steps: 2,
    startStep: 0,
    epochs: 1,
    rows: 100,
    validationRows: 5,
    trainableParameters: 4_880_000,
    totalParameters: 134_500_000,
    plannedBytes: 1_300_000_000,
    out: "run",
  },
  { event: "warning", code: "rows-truncated", message: "3 rows are longer than a block and were cut" },
  step(1, 2.5, 12.5),
  { event: "eval-start", step: 1, rows: 5 },
  { event: "eval-end", step: 1, loss: 1.75, perplexity: 5.7546, tokens: 321, best: true },
  step(2, 1.25, 0),
  { event: "sample-end", step: 2, prompt: "雨です。", answer: "It is rain.", expected: "It is raining." },
  { event: "checkpoint-end", step: 2, path: "run/checkpoints/step-2" },
  { event: "run-end", ...RUN_RESULT },
];

export interface FakeLibrary extends Library {
  calls: { name: string; config: unknown; requests?: readonly AskRequest[] }[];
}

/** @param answer what the model says to a request */
export function fakeLibrary(answer: (request: AskRequest) => string = () => "An **answer**."): FakeLibrary {
  const calls: FakeLibrary["calls"] = [];
  const refuse = () => {
    throw new Error("not part of this test");
  };
  return {
    calls,
    evaluate: refuse,
    makeReport: refuse,
    async train(config, options) {
      calls.push({ name: "train", config });
      for (const event of RUN_EVENTS) options?.onEvent?.(event);
      return RUN_RESULT;
    },
    async pretrain(config, options) {
      calls.push({ name: "pretrain", config });
      for (const event of RUN_EVENTS) options?.onEvent?.(event);
      return RUN_RESULT;
    },
    async openModel(config) {
      calls.push({ name: "openModel", config });
      return {
        model: config.model,
        device: "cpu",
        template: "chat",
        async generate(requests, options) {
          calls.push({ name: "generate", config, requests });
          return requests.map((request, index) => {
            const text = answer(request);
            for (const piece of text.match(/.{1,3}/gsu) ?? []) options?.onText?.(piece, index);
            const finishReason = options?.signal?.aborted ? ("cancelled" as const) : ("end" as const);
            return { text, finishReason, promptTokens: 5, tokens: 7, seconds: 0.5 };
          });
        },
        async stats() {
          return { running: 0, waiting: 0, slots: 1, pages: 1, freePages: 1, usedBytes: 0, reservedBytes: 0 };
        },
        async close() {
          calls.push({ name: "close", config });
        },
      };
    },
    openNamedModel: refuse,
    plan: refuse,
    doctor: refuse,
    demo: refuse,
    push: refuse,
    pull: refuse,
    indexDocuments: refuse,
    openSources: refuse,
    debate: refuse,
    debatePrice: refuse,
    makeQuestions: refuse,
    questionsPrice: refuse,
    openEmbedder: refuse,
    retrieveOptions: refuse,
    answerQuestion: refuse,
    makeContextRow: refuse,
    sourceLabel: refuse,
    exportModel: refuse,
  };
}

function step(number: number, loss: number, secondsLeft: number): TrainEvent {
  return {
    event: "step-end",
    step: number,
    loss,
    gradNorm: 0.5,
    learningRate: 2e-4,
    tokensPerSecond: 812.4,
    memoryBytes: 1_200_000_000,
    epoch: number / 2,
    trainedTokens: 500 * number,
    secondsLeft,
  };
}
