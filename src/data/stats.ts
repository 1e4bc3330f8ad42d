/**
 * What `remora data stats` tells: lengths, the share that is trained, truncation, duplicates, the fill of the blocks.
 */
import type { LoadedData } from "./load-data.ts";
import { packLengths } from "./pack.ts";

export interface HistogramBin {
  /** Tokens, inclusive. */
  from: number;
  to: number;
  count: number;
}

export interface DataStats {
  rows: number;
  examples: number;
  heldOut: number;
  tokens: number;
  trainedTokens: number;
  /** trainedTokens ÷ tokens. */
  trainedShare: number;
  length: { min: number; mean: number; median: number; p95: number; max: number };
  histogram: HistogramBin[];
  duplicates: number;
  truncated: number;
  tooLong: number;
  responseCut: number;
  blockLength: number;
  /** Blocks of an epoch when rows are packed, and the share of their tokens that is not padding. */
  packed: { blocks: number; fill: number };
  /** The same with one row in a block. */
  unpacked: { blocks: number; fill: number };
}

const BINS = 12;

export function dataStats(data: LoadedData, blockLength: number): DataStats {
  const { store, split, counts } = data;
  const lengths = Int32Array.from(split.training, (index) => store.length(index));
  const sorted = lengths.slice().sort();
  const tokens = sorted.reduce((sum, length) => sum + length, 0);
  let trainedTokens = 0;
  for (const index of split.training) for (const flag of store.get(index).trained) trainedTokens += flag;
  const at = (share: number) => sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))] ?? 0;
  const capacity = (blocks: number) => Math.max(1, blocks * blockLength);
  const packedBlocks = sorted.at(-1)! > blockLength ? Math.ceil(tokens / blockLength) : countBlocks(lengths, blockLength);
  return {
    rows: counts.rows,
    examples: split.training.length,
    heldOut: split.heldOut.length,
    tokens,
    trainedTokens,
    trainedShare: tokens === 0 ? 0 : trainedTokens / tokens,
    length: { min: at(0), mean: tokens / Math.max(1, sorted.length), median: at(0.5), p95: at(0.95), max: sorted.at(-1) ?? 0 },
    histogram: histogram(sorted),
    duplicates: counts.duplicates,
    truncated: counts.truncated,
    tooLong: counts.tooLong,
    responseCut: counts.responseCut,
    blockLength,
    packed: { blocks: packedBlocks, fill: tokens / capacity(packedBlocks) },
    unpacked: { blocks: lengths.length, fill: tokens / capacity(lengths.length) },
  };
}

/** Blocks of an epoch, windows as in training. */
function countBlocks(lengths: Int32Array, blockLength: number): number {
  let blocks = 0;
  for (let start = 0; start < lengths.length; start += 4096)
    blocks += packLengths(lengths.subarray(start, start + 4096), blockLength).length;
  return blocks;
}

function histogram(sorted: Int32Array): HistogramBin[] {
  if (sorted.length === 0) return [];
  const min = sorted[0]!;
  const width = Math.max(1, Math.ceil((sorted.at(-1)! - min + 1) / BINS));
  const bins: HistogramBin[] = [];
  for (const length of sorted) {
    const bin = Math.floor((length - min) / width);
    while (bins.length <= bin) bins.push({ from: min + bins.length * width, to: min + (bins.length + 1) * width - 1, count: 0 });
    bins[bin]!.count++;
  }
  return bins;
}

const thousands = (n: number): string => Math.round(n).toLocaleString("en-US");
const percent = (share: number): string => `${(share * 100).toFixed(1)}%`;

/** The same as a table for people. */
export function formatStats(stats: DataStats): string {
  const { length } = stats;
  const left = stats.tooLong + stats.responseCut;
  const lines: [string, string][] = [
    ["rows", `${thousands(stats.rows)}${stats.duplicates > 0 ? ` (${thousands(stats.duplicates)} repeat an earlier one)` : ""}`],
    ["training / held out", `${thousands(stats.examples)} / ${thousands(stats.heldOut)}`],
    ["tokens", thousands(stats.tokens)],
    ["trained tokens", `${thousands(stats.trainedTokens)} (${percent(stats.trainedShare)})`],
    [
      "tokens in a row",
      `${length.min} least, ${length.median} median, ${length.mean.toFixed(1)} mean, ${length.p95} at 95%, ${length.max} most`,
    ],
    ["cut to the block", `${thousands(stats.truncated)}${left > 0 ? `; ${thousands(left)} left out as too long` : ""}`],
    ["blocks, packed", `${thousands(stats.packed.blocks)} of ${thousands(stats.blockLength)} tokens, ${percent(stats.packed.fill)} full`],
    ["blocks, one row each", `${thousands(stats.unpacked.blocks)}, ${percent(stats.unpacked.fill)} full`],
  ];
  const wide = Math.max(...lines.map(([name]) => name.length));
  const most = Math.max(1, ...stats.histogram.map((bin) => bin.count));
  const labels = stats.histogram.map((bin) => (bin.from === bin.to ? `${bin.from}` : `${bin.from}–${bin.to}`));
  const labelWidth = Math.max(0, ...labels.map((label) => label.length));
  const bars = stats.histogram.map(
    (bin, i) =>
      `  ${labels[i]!.padStart(labelWidth)}  ${"█".repeat(Math.ceil((bin.count / most) * 40)).padEnd(40)}  ${thousands(bin.count)}`,
  );
  return [...lines.map(([name, value]) => `${name.padEnd(wide)}  ${value}`), "", "tokens in a row", ...bars].join("\n");
}
