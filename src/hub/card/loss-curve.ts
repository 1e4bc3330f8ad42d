/**
 * The loss curve of a run as a PNG: training loss as a line, held-out loss with points. A PNG because the Hub does not show SVG pictures in
 * model cards reliably. Drawn by hand into a buffer: a picture this plain is not worth a dependency.
 */
import { Canvas, type Colour } from "./png-canvas.ts";
import type { LossPoint } from "./run-facts.ts";

const WIDTH = 960;
const HEIGHT = 420;
const LEFT = 90;
const RIGHT = 30;
const TOP = 50;
const BOTTOM = 60;

const INK: Colour = [60, 60, 67];
const GRID: Colour = [225, 227, 232];
const TRAINING: Colour = [66, 133, 214];
const HELD_OUT: Colour = [219, 109, 40];

/** @returns undefined when there is no curve to draw */
export function drawLossCurve(training: readonly LossPoint[], heldOut: readonly LossPoint[]): Uint8Array | undefined {
  const isGood = ({ step, loss }: LossPoint) => Number.isFinite(step) && Number.isFinite(loss);
  const lines = [training.filter(isGood), heldOut.filter(isGood)] as const;
  const all = lines.flat();
  if (all.length < 2) return undefined;
  const steps = all.map(({ step }) => step);
  const [firstStep, lastStep] = [Math.min(...steps), Math.max(...steps)];
  // A few wild first steps must not flatten everything that follows.
  const sorted = all.map(({ loss }) => loss).sort((a, b) => a - b);
  const highest = sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * 0.995))]!;
  const ticks = niceTicks(sorted[0]!, highest);
  const [low, high] = [ticks[0]!, ticks.at(-1)!];
  const x = (step: number) => LEFT + ((step - firstStep) / Math.max(1, lastStep - firstStep)) * (WIDTH - LEFT - RIGHT);
  const y = (loss: number) => TOP + (1 - (Math.min(loss, high) - low) / (high - low)) * (HEIGHT - TOP - BOTTOM);

  const canvas = new Canvas(WIDTH, HEIGHT, [255, 255, 255]);
  for (const tick of ticks) {
    canvas.line(LEFT, y(tick), WIDTH - RIGHT, y(tick), 1, GRID);
    canvas.text(shown(tick), LEFT - 12, y(tick) - 7, INK, "right");
  }
  for (const tick of niceTicks(firstStep, lastStep).filter((each) => each >= firstStep && each <= lastStep && Number.isInteger(each))) {
    canvas.line(x(tick), HEIGHT - BOTTOM, x(tick), HEIGHT - BOTTOM + 6, 1, INK);
    canvas.text(String(tick), x(tick), HEIGHT - BOTTOM + 14, INK, "middle");
  }
  canvas.line(LEFT, HEIGHT - BOTTOM, WIDTH - RIGHT, HEIGHT - BOTTOM, 1.5, INK);
  canvas.text("step", WIDTH - RIGHT, HEIGHT - 24, INK, "right");
  const curves = [
    { points: lines[0], colour: TRAINING, name: "training loss" },
    { points: lines[1], colour: HELD_OUT, name: "held-out loss" },
  ].filter(({ points }) => points.length > 0);
  curves.forEach(({ points, colour, name }, index) => {
    for (let i = 1; i < points.length; i++) {
      canvas.line(x(points[i - 1]!.step), y(points[i - 1]!.loss), x(points[i]!.step), y(points[i]!.loss), 2.2, colour);
    }
    if (points.length <= 40) for (const { step, loss } of points) canvas.disc(x(step), y(loss), 3.6, colour);
    const left = LEFT + index * 230;
    canvas.line(left, 24, left + 28, 24, 3, colour);
    canvas.text(name, left + 38, 17, INK, "left");
  });
  return canvas.encode();
}

/** About five round values that enclose a range. */
export function niceTicks(low: number, high: number): number[] {
  const span = high - low || Math.abs(high) || 1;
  const rough = span / 4;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = power * ([1, 2, 2.5, 5, 10].find((each) => each * power >= rough) ?? 10);
  const first = Math.floor(low / step);
  const last = Math.max(first + 1, Math.ceil(high / step));
  return Array.from({ length: last - first + 1 }, (_, index) => Number(((first + index) * step).toPrecision(12)));
}

const shown = (value: number): string => String(Number(value.toPrecision(4)));
