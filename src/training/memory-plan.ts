/**
 * What a run will take, from shapes alone: bytes by kind and an estimate of a step's time, before anything is loaded. The same arithmetic
 * finds the knobs: each is the plan again with one setting changed.
 *
 * Activations are counted as the tape keeps them (tensor/ops say what each op keeps), e bytes an element:
 *   none    a layer: 4C + Q + H·D + 3F + ΣR a token (Q = (H+2K)·D; again Q for norms on q and k, again 2C for norms after sub-layers)
 *   cheap   less 2C (norm outputs) and F (gated activation)
 *   layers  C a token and layer, plus one layer as under `none`
 *   host    the same without the C: layer inputs wait in the host's memory
 *
 * Which of these a run takes, and the other rungs of the ladder, is chosen in `memory-ladder.ts`.
 */
import type { ActivationDType, WeightFormat } from "../backend/backend.ts";
import type { MemoryPlan, PlanItem } from "../config/reports.ts";
import { headChunkRows } from "../models/causal-lm.ts";
import { decoderParameters } from "../models/decoder-parameters.ts";
import type { DecoderShape } from "../models/decoder-shape.ts";
import { fitsFormat, scaleBytes, weightBytes } from "../quant/weight-formats.ts";
import type { RecomputePolicy } from "../tensor/tape.ts";

/** The settings that cost memory or time. */
export interface PlanSettings {
  readonly method: "lora" | "qlora" | "full";
  /** How linears stay in memory; embeddings and norms as well as they can. */
  readonly base: WeightFormat;
  /** How the file stores embeddings and head, which stay as they are. */
  readonly embeddingFormat: WeightFormat;
  readonly compute: ActivationDType;
  /** Linears are multiplied in 8 bits: they stay as E4M3 whatever `base` made of them; a card keeps them twice. @default false */
  readonly fp8?: boolean;
  readonly blockLength: number;
  readonly batchSize: number;
  readonly gradientAccumulation: number;
  readonly recompute: RecomputePolicy;
  readonly optimizerState: "f32" | "8bit";
  /** A card: quantized weights stay decoded once they were, 2 bytes a weight. @default false */
  readonly keepDecoded?: boolean;
  /** A card: the embedding's rows are gathered from the host's memory. @default false */
  readonly hostEmbedding?: boolean;
  /** Rows of logits at once. @default as many as fit 96 MiB */
  readonly headRows?: number;
  /** False: a card's attention sums dQ in f32. @default true */
  readonly deterministic?: boolean;
  /** In and Out of each linear that gets an adapter, and its rank. */
  readonly adapters: readonly { readonly inFeatures: number; readonly outFeatures: number; readonly rank: number }[];
}

/** The device's share of the plan. */
export interface PlanDevice {
  readonly name: string;
  readonly availableBytes: number;
  /** True for a card with memory of its own, on which the process costs nothing. */
  readonly hasOwnMemory?: boolean;
  /** Sustained multiply-add rate in FLOP/s; absent when not known. */
  readonly flops?: number;
}

/** Share of the device's peak that a whole step reaches; measured on SmolLM2-135M's shape, see docs/log.md. */
const STEP_EFFICIENCY = 0.65;
/** The process itself: Node, the engine's code, tokenizer and data. */
const PROCESS_BYTES = 250e6;

export function planMemory(model: string, shape: DecoderShape, settings: PlanSettings, device: PlanDevice, steps?: number): MemoryPlan {
  const process = device.hasOwnMemory ? [] : [{ name: "process", bytes: PROCESS_BYTES, why: "Node, tokenizer, data" }];
  const items = [...planItems(shape, settings, device), ...process];
  const totalBytes = sum(items);
  const fits = totalBytes <= device.availableBytes;
  const tokensPerStep = settings.batchSize * settings.blockLength * settings.gradientAccumulation;
  const secondsPerStep = device.flops ? (tokensPerStep * flopsPerToken(shape, settings)) / (device.flops * STEP_EFFICIENCY) : undefined;
  return {
    model,
    device: device.name,
    method: settings.method,
    items,
    totalBytes,
    availableBytes: device.availableBytes,
    fits,
    tokensPerStep,
    secondsPerStep,
    steps,
    knobs: knobs(shape, settings, device, totalBytes, sum(process)),
  };
}

function planItems(shape: DecoderShape, settings: PlanSettings, device: Omit<PlanDevice, "name" | "availableBytes">): PlanItem[] {
  const { hasOwnMemory } = device;
  const tokens = settings.batchSize * settings.blockLength;
  const trained = settings.method === "full" ? parameterCount(shape) : adapterCount(settings);
  const stateBytes = settings.optimizerState === "8bit" ? 2 + 8 / 256 : 8;
  const activation = activationBytes(shape, settings);
  const chunk = Math.max(headChunkRows(shape.vocabularySize), settings.headRows ?? 0);
  // A card makes the gradient of the logits beside them.
  const logit = 4 + (hasOwnMemory && settings.compute !== "f32" ? 2 : 0);
  return [
    baseItem(shape, settings),
    ...(settings.method === "full"
      ? [{ name: "gradients", bytes: 4 * trained, why: "f32, all weights" }]
      : [{ name: "adapters", bytes: 8 * trained, why: `${millions(trained)} parameters and their gradients in f32` }]),
    { name: "optimizer", bytes: stateBytes * trained, why: `AdamW, ${settings.optimizerState} state` },
    {
      name: "activations",
      bytes: activation * tokens,
      why: `${tokens.toLocaleString("en")} tokens in ${settings.compute}${settings.fp8 ? ", products in fp8" : ""}, recompute: ${settings.recompute}`,
    },
    { name: "working space", bytes: workingBytes(shape, settings, tokens), why: "gradients on the way back, packed operands" },
    { name: "head", bytes: chunk * shape.vocabularySize * logit, why: `logits of ${chunk} rows at a time` },
    ...(hasOwnMemory ? cardItems(shape, settings, trained) : []),
    ...(hasOwnMemory && settings.deterministic === false && settings.compute !== "f32"
      ? [{ name: "attention", bytes: 4 * tokens * shape.heads * shape.headDim, why: "sums of dQ in f32, deterministic: false" }]
      : []),
  ];
}

/** cuBLASLt's workspace and what the memory pool loses by rounding; measured on Nemo's shape, see docs/log.md. */
const CARD_BYTES = 0.2e9;

/** What only a card keeps: weights decoded for cuBLASLt, and the adapters' copies in the compute dtype. */
function cardItems(shape: DecoderShape, settings: PlanSettings, trained: number): PlanItem[] {
  const { hiddenSize: C, intermediateSize: F, heads: H, keyValueHeads: K, headDim: D } = shape;
  const element = settings.compute === "f32" ? 4 : 2;
  const isDense = settings.base === settings.compute || settings.method === "full";
  const linears = decoderParameters(shape)
    .filter(({ role }) => role === "linear")
    .reduce((total, { shape: [rows, cols] }) => total + rows! * cols!, 0);
  const widest = Math.max(2 * F * C, (H + 2 * K) * D * C);
  // dX = dY·W reads W by columns, which 8-bit tensor cores cannot: the transposed codes stay too.
  const decoded = settings.fp8 ? linears : isDense ? 0 : element * (settings.keepDecoded ? linears : widest);
  const copies = settings.method === "full" || settings.compute === "f32" ? 0 : element * trained;
  return [
    {
      name: "decoded weights",
      bytes: decoded,
      why: settings.fp8
        ? "e4m3 again, transposed for the backward pass"
        : isDense
          ? "none"
          : settings.keepDecoded
            ? `kept in ${settings.compute}`
            : "one group at a time",
    },
    { name: "card", bytes: CARD_BYTES + copies, why: "cuBLASLt's workspace, adapters in the compute dtype" },
  ];
}

function baseItem(shape: DecoderShape, { method, base, embeddingFormat, hostEmbedding, fp8 }: PlanSettings): PlanItem {
  let bytes = 0;
  for (const { role, shape: size } of decoderParameters(shape)) {
    const [rows, cols] = size as [number, number?];
    if (role === "embedding" && hostEmbedding) continue;
    if (cols === undefined || method === "full") bytes += 4 * rows * (cols ?? 1);
    else bytes += matrixBytes(role !== "linear" ? embeddingFormat : fp8 ? "e4m3" : base, rows, cols);
  }
  const format = method === "full" ? "f32" : fp8 ? `e4m3 made from ${base}` : base;
  const where = hostEmbedding ? ", embedding in host memory" : "";
  return { name: "base weights", bytes, why: `${format}, ${millions(parameterCount(shape))} parameters${where}` };
}

function matrixBytes(format: WeightFormat, rows: number, cols: number): number {
  if (!fitsFormat(format, cols)) return 2 * rows * cols;
  return weightBytes(format, rows, cols) + scaleBytes(format, rows, cols);
}

/** Bytes that the forward pass keeps a token. */
function activationBytes(shape: DecoderShape, settings: PlanSettings): number {
  const element = settings.compute === "f32" ? 4 : 2;
  const { hiddenSize: C, intermediateSize: F, heads: H, keyValueHeads: K, headDim: D } = shape;
  const layers = shape.layers.length;
  const Q = (H + 2 * K) * D;
  const ranks = settings.adapters.reduce((total, { rank }) => total + rank, 0) / layers;
  const normed = (shape.queryKeyNorm ? Q : 0) + (shape.sandwichNorms ? 2 * C : 0);
  const statistics = 4 * (H + 2); // log-sum-exp and norms in f32
  const none = element * (4 * C + Q + H * D + 3 * F + ranks + normed) + statistics;
  const cheap = none - element * (2 * C + F);
  const ends = element * 3 * C; // embedding, last hidden rows and their gradient
  if (settings.recompute === "host") return none + ends + element * 2 * C; // two inputs on their way
  if (settings.recompute === "layers") return layers * element * C + none + ends;
  return layers * (settings.recompute === "cheap" ? cheap : none) + ends;
}

/** What backward needs at its widest point (the MLP), and the packed operands of the products. */
function workingBytes(shape: DecoderShape, settings: PlanSettings, tokens: number): number {
  const element = settings.compute === "f32" ? 4 : 2;
  const { hiddenSize: C, intermediateSize: F, heads: H, keyValueHeads: K, headDim: D } = shape;
  const widest = Math.max(3 * F + 2 * C, 2 * (H + 2 * K) * D + 2 * C);
  const packed = Math.max(2 * F, C, H * D);
  return tokens * element * (widest + packed);
}

/** Multiply-adds × 2 of a token: forward and dX through every frozen matrix, dW as well where all weights train. */
export function flopsPerToken(shape: DecoderShape, settings: PlanSettings): number {
  const linears = decoderParameters(shape).filter(({ role }) => role === "linear");
  const weights = linears.reduce((total, { shape: [rows, cols] }) => total + rows! * cols!, 0);
  const head = shape.vocabularySize * shape.hiddenSize;
  const products = settings.method === "full" ? 3 : 2;
  const again = settings.recompute === "layers" || settings.recompute === "host" ? 1 : 0;
  // Causal attention over a block: QKᵀ and PV see half of it; backward does five products to forward's two.
  const attention = shape.layers.length * shape.heads * shape.headDim * 2 * settings.blockLength * (1 + again + 2.5) * 0.5 * 2;
  const adapters = 6 * settings.adapters.reduce((total, { inFeatures, outFeatures, rank }) => total + rank * (inFeatures + outFeatures), 0);
  return 2 * weights * (products + again) + 2 * head * products + attention + adapters;
}

/** The plan with one thing changed, the mildest first; only changes that help. */
function knobs(shape: DecoderShape, settings: PlanSettings, device: PlanDevice, now: number, besides: number): MemoryPlan["knobs"] {
  const half = (value: number) => Math.max(1, Math.floor(value / 2));
  const candidates: { change: string; cost: string; with: Partial<PlanSettings> }[] = [];
  if (settings.keepDecoded) candidates.push({ change: "decodedWeights: each-use", cost: "up to 2% slower", with: { keepDecoded: false } });
  if (settings.recompute === "none")
    candidates.push({ change: "recompute: cheap", cost: "a few percent slower", with: { recompute: "cheap" } });
  if (settings.batchSize > 1) {
    candidates.push({
      change: `batchSize: ${half(settings.batchSize)}, gradientAccumulation: ${settings.gradientAccumulation * 2}`,
      cost: "same effective batch",
      with: { batchSize: half(settings.batchSize), gradientAccumulation: settings.gradientAccumulation * 2 },
    });
  }
  if (settings.optimizerState === "f32")
    candidates.push({ change: "optimizerState: 8bit", cost: "slightly noisier updates", with: { optimizerState: "8bit" } });
  if (device.hasOwnMemory && !settings.hostEmbedding && !shape.tiedHead && settings.method !== "full")
    candidates.push({ change: "embedding: host", cost: "rows come over the bus", with: { hostEmbedding: true } });
  if (settings.recompute === "none" || settings.recompute === "cheap")
    candidates.push({
      change: "recompute: layers",
      cost: device.hasOwnMemory ? "about 45% slower" : "about a third slower",
      with: { recompute: "layers" },
    });
  if (device.hasOwnMemory && settings.recompute !== "host")
    candidates.push({
      change: "recompute: host",
      cost: "layer inputs cross the bus, about a twentieth slower still",
      with: { recompute: "host" },
    });
  if (settings.method === "lora" && settings.base !== "nf4" && !settings.fp8)
    candidates.push({ change: "method: qlora", cost: "4-bit base", with: { method: "qlora", base: "nf4" } });
  candidates.push({
    change: `blockLength: ${half(settings.blockLength)}`,
    cost: "longer rows are cut",
    with: { blockLength: half(settings.blockLength) },
  });
  if (settings.method === "full") candidates.push({ change: "method: lora", cost: "trains adapters only", with: { method: "lora" } });
  return candidates
    .map(({ change, cost, with: changed }) => ({
      change,
      cost,
      totalBytes: besides + sum(planItems(shape, { ...settings, ...changed }, device)),
    }))
    .filter(({ totalBytes }) => totalBytes < now * 0.98)
    .map((knob) => ({ ...knob, fits: knob.totalBytes <= device.availableBytes }));
}

export function parameterCount(shape: DecoderShape): number {
  return decoderParameters(shape).reduce((total, { shape: size }) => total + size.reduce((product, n) => product * n, 1), 0);
}

function adapterCount({ adapters }: PlanSettings): number {
  return adapters.reduce((total, { inFeatures, outFeatures, rank }) => total + rank * (inFeatures + outFeatures), 0);
}

function sum(items: readonly PlanItem[]): number {
  return items.reduce((total, { bytes }) => total + bytes, 0);
}

function millions(count: number): string {
  return count >= 1e9 ? `${(count / 1e9).toFixed(2)} B` : `${(count / 1e6).toFixed(1)} M`;
}
