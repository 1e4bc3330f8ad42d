/**
 * The memory ladder: what a run gives up in speed to fit. Every combination of rungs that the config leaves open has a price (how much longer a
 * step takes) and a plan (bytes from shapes alone); the cheapest that fits the device's free memory is taken, and when none fits the smallest.
 *
 * Prices are ratios measured on one H100 with Nemo's shape (docs/log.md); their order matters, not their digits.
 */
import type { MemoryPlan } from "../config/reports.ts";
import type { DecoderShape } from "../models/decoder-shape.ts";
import type { RecomputePolicy } from "../tensor/tape.ts";
import { type PlanDevice, type PlanSettings, planMemory } from "./memory-plan.ts";

/** One setting of each rung. */
export interface LadderChoice {
  readonly recompute: RecomputePolicy;
  readonly decodedWeights: "keep" | "each-use";
  readonly embedding: "device" | "host";
  readonly optimizerState: "f32" | "8bit";
  /** Rows of logits that exist at once; 0 for the least. */
  readonly headRows: number;
}

/** What the config fixed, and `auto` where the plan may choose. */
export type LadderAsked = { readonly [Rung in keyof LadderChoice]: LadderChoice[Rung] | "auto" };

type Price = readonly [time: number, words: string];

const LARGE_HEAD_ROWS = 1024;
const RECOMPUTE: Readonly<Record<RecomputePolicy, Price>> = {
  none: [1, "every activation kept"],
  cheap: [1.03, "norms and gates made again, about 3% slower"],
  layers: [1.47, "whole layers run again, about 45% slower"],
  host: [1.56, "whole layers run again, their inputs in the host's memory, about 55% slower"],
};
const PRICES: { readonly [Rung in keyof LadderChoice]: (choice: LadderChoice[Rung], facts: LadderFacts) => Price } = {
  recompute: (policy) => RECOMPUTE[policy],
  decodedWeights: (kept, { settings }) => {
    if (kept === "keep") return [1, "decoded once and kept"];
    // NF4 takes the adapters' share along while it is decoded, which saves what the decoding costs; not in f32.
    return settings.base === "nf4" && settings.compute !== "f32"
      ? [1, "decoded at each use, as quick as kept without LoRA dropout"]
      : [1.02, "decoded at each use, about 2% slower"];
  },
  embedding: (place) => (place === "device" ? [1, "on the card"] : [1.003, "rows gathered over the bus, under 1% slower"]),
  optimizerState: (state) => (state === "f32" ? [1, "f32"] : [1.1, "8 bits a moment: slightly noisier updates"]),
  headRows: (rows) => (rows >= LARGE_HEAD_ROWS ? [1, "large products in the head"] : [1.01, "small products in the head, about 1% slower"]),
};
/** Free memory that a plan leaves alone: it is an estimate. */
const MARGIN = 0.03;

export interface Ladder {
  readonly choice: LadderChoice;
  readonly plan: MemoryPlan;
}

export interface LadderFacts {
  readonly model: string;
  readonly shape: DecoderShape;
  readonly settings: Omit<PlanSettings, "recompute" | "optimizerState" | "keepDecoded" | "hostEmbedding" | "headRows">;
  readonly device: PlanDevice;
  readonly steps?: number;
}

export function chooseLadder(asked: LadderAsked, facts: LadderFacts): Ladder {
  const rungs = combinations(openChoices(asked, facts)).map((choice) => ({
    choice,
    plan: planOf(choice, facts),
    time: timeOf(choice, facts),
  }));
  rungs.sort((a, b) => a.time - b.time || a.plan.totalBytes - b.plan.totalBytes);
  const limit = facts.device.availableBytes * (facts.device.hasOwnMemory ? 1 - MARGIN : 1);
  const found = rungs.find(({ plan }) => plan.totalBytes <= limit) ?? smallest(rungs);
  return { choice: found.choice, plan: { ...found.plan, ladder: describe(found.choice, asked, facts) } };
}

/** What each rung may be here. On a CPU, whose memory is the host's, only recompute is open. */
function openChoices(asked: LadderAsked, { shape, settings, device }: LadderFacts): { [Rung in keyof LadderChoice]: LadderChoice[Rung][] } {
  const card = device.hasOwnMemory === true;
  const decodes = card && !settings.fp8 && settings.method !== "full" && settings.base !== settings.compute;
  const movable = card && settings.method !== "full" && !shape.tiedHead;
  const open = <T>(value: T | "auto", choices: readonly T[]): T[] => (value === "auto" ? [...choices] : [value]);
  return {
    // On a CPU norms and gates are cheap and memory is slow: nothing is gained by keeping everything.
    recompute: open(asked.recompute, card ? ["none", "cheap", "layers", "host"] : ["cheap", "layers"]),
    decodedWeights: open(asked.decodedWeights, decodes ? ["keep", "each-use"] : ["each-use"]),
    embedding: movable ? open(asked.embedding, ["device", "host"]) : ["device"],
    optimizerState: open(asked.optimizerState, card ? ["f32", "8bit"] : ["f32"]),
    headRows: open(asked.headRows, card ? [LARGE_HEAD_ROWS, 0] : [0]),
  };
}

function combinations(open: { [Rung in keyof LadderChoice]: LadderChoice[Rung][] }): LadderChoice[] {
  const found: LadderChoice[] = [];
  for (const recompute of open.recompute)
    for (const decodedWeights of open.decodedWeights)
      for (const embedding of open.embedding)
        for (const optimizerState of open.optimizerState)
          for (const headRows of open.headRows) found.push({ recompute, decodedWeights, embedding, optimizerState, headRows });
  return found;
}

function planOf(choice: LadderChoice, { model, shape, settings, device, steps }: LadderFacts): MemoryPlan {
  const { recompute, optimizerState, headRows } = choice;
  const rungs = {
    recompute,
    optimizerState,
    headRows,
    keepDecoded: choice.decodedWeights === "keep",
    hostEmbedding: choice.embedding === "host",
  };
  return planMemory(model, shape, { ...settings, ...rungs }, device, steps);
}

function priceOf<Rung extends keyof LadderChoice>(rung: Rung, choice: LadderChoice, facts: LadderFacts): Price {
  return PRICES[rung](choice[rung], facts);
}

function timeOf(choice: LadderChoice, facts: LadderFacts): number {
  return (Object.keys(PRICES) as (keyof LadderChoice)[]).reduce((time, rung) => time * priceOf(rung, choice, facts)[0], 1);
}

function smallest<T extends { readonly plan: MemoryPlan }>(rungs: readonly T[]): T {
  return rungs.reduce((best, rung) => (rung.plan.totalBytes < best.plan.totalBytes ? rung : best));
}

/** Each rung that could be otherwise, what it is, its price, and what it saves against its fastest setting. */
function describe(choice: LadderChoice, asked: LadderAsked, facts: LadderFacts): MemoryPlan["ladder"] {
  const now = planOf(choice, facts).totalBytes;
  const open = openChoices(
    { recompute: "auto", decodedWeights: "auto", embedding: "auto", optimizerState: "auto", headRows: "auto" },
    facts,
  );
  return (Object.keys(PRICES) as (keyof LadderChoice)[])
    .filter((rung) => open[rung].length > 1 || asked[rung] !== "auto")
    .map((rung) => ({
      rung,
      choice: String(choice[rung] === 0 ? "smallest" : choice[rung]),
      price: priceOf(rung, choice, facts)[1],
      savesBytes: Math.max(0, planOf({ ...choice, [rung]: open[rung][0] }, facts).totalBytes - now),
      by: asked[rung] === "auto" ? ("plan" as const) : ("config" as const),
    }));
}
