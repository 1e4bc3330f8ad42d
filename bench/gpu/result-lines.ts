/** One line a setting: what its process printed, with shares of the card's measured peaks and ratios against peers. */
import { flopsPerToken } from "../../src/training/memory-plan.ts";
import { NEMO_SHAPE } from "../../src/training/testing/nemo-shape.ts";
import { answerCeiling, promptFlops } from "./answer-ceiling.ts";
import { asking, type Setting, type Work } from "./settings.ts";

export interface Line {
  readonly name: string;
  readonly who: string;
  readonly work: Work;
  readonly error?: string;
  readonly tokensPerSecond?: number;
  readonly peakGb?: number;
  readonly [figure: string]: unknown;
}

export function toLine({ name, who, work, environment, decode }: Setting, found: Record<string, unknown>, seconds: number): Line {
  const peak = found.peakBytes === undefined ? undefined : Number(found.peakBytes) / 1e9;
  // Of a prompt what counts is the time to its first token.
  const prompt = work === "prompt of 4000" && found.firstTokenMs !== undefined ? decode!.promptTokens : undefined;
  const rate = prompt === undefined ? {} : { tokensPerSecond: (1000 * prompt) / Number(found.firstTokenMs) };
  return { name, who, work, environment, ...(peak === undefined ? {} : { peakGb: peak }), ...found, ...rate, seconds };
}

/**
 * Adds TFLOP/s (useful work, nothing counted twice) and the share of the measured peak to training and prompts, the ceiling of the card's measured
 * rates to answers, and ratios against peers.
 */
export function withShares(lines: readonly Line[]): Line[] {
  const peaks = lines.find(({ work }) => work === "peaks");
  const peak = peaks?.bf16Tflops as number | undefined;
  const useful = flopsPerToken(NEMO_SHAPE, {
    method: "qlora",
    base: "nf4",
    embeddingFormat: "bf16",
    compute: "bf16",
    blockLength: 2048,
    batchSize: 1,
    gradientAccumulation: 1,
    recompute: "cheap",
    optimizerState: "f32",
    adapters: [],
  });
  return lines.map((line) => {
    const rate = line.tokensPerSecond;
    if (rate === undefined) return line;
    const flops = line.work.startsWith("train")
      ? useful
      : line.work === "prompt of 4000"
        ? promptFlops(NEMO_SHAPE, 4000) / 4000
        : undefined;
    const tflops = flops && (rate * flops) / 1e12;
    const ceilingTokensPerSecond = peaks && !peaks.error ? ceilingOf(line.work, peaks) : undefined;
    const against = Object.fromEntries(
      lines
        .filter((peer) => line.who === "remora" && peer.who === "peer" && peer.work === line.work && peer.tokensPerSecond)
        .map((peer) => [
          peer.name,
          { speed: rate / peer.tokensPerSecond!, memory: (line.peakGb ?? Number.NaN) / (peer.peakGb ?? Number.NaN) },
        ]),
    );
    return { ...line, tflops, shareOfPeak: tflops && peak ? tflops / peak : undefined, ceilingTokensPerSecond, against };
  });
}

/** Tokens a second that the card's measured rates allow, in the middle of the answers. */
function ceilingOf(work: Work, { copyGbPerSecond, bf16Tflops }: Line): number | undefined {
  const rows = work.match(/^answer (\d+) row/)?.[1];
  const peaks = { copy: Number(copyGbPerSecond) * 1e9, product: Number(bf16Tflops) * 1e12 };
  return rows === undefined ? undefined : answerCeiling(NEMO_SHAPE, Number(rows), asking.promptTokens + asking.answerTokens / 2, peaks);
}

export function row(line: Line): string {
  const label = `${line.work} · ${line.who === "remora" ? "remora" : "peer"} · ${line.name}`.padEnd(78);
  if (line.error) return `${label} did not run: ${line.error.split("\n")[0]!.slice(0, 160)}`;
  if (line.work === "peaks")
    return `${label} ${Number(line.bf16Tflops).toFixed(0)} TFLOP/s bf16, copy ${Number(line.copyGbPerSecond).toFixed(0)} GB/s, ${line.card}`;
  const ceiling = Number(line.ceilingTokensPerSecond);
  const share = ceiling
    ? `, ${((100 * line.tokensPerSecond!) / ceiling).toFixed(0)}% of the ceiling of ${ceiling.toFixed(0)}`
    : line.shareOfPeak === undefined
      ? ""
      : `, ${Number(line.tflops).toFixed(0)} TFLOP/s = ${(100 * Number(line.shareOfPeak)).toFixed(0)}% of peak`;
  const against = Object.entries((line.against ?? {}) as Record<string, { speed: number; memory: number }>)
    .map(([name, { speed, memory }]) => `; ${speed.toFixed(2)}× the speed at ${memory.toFixed(2)}× the memory of ${name}`)
    .join("");
  return `${label} ${line.tokensPerSecond!.toFixed(1).padStart(8)} tok/s  ${Number(line.peakGb).toFixed(2).padStart(6)} GB${share}${against}`;
}
