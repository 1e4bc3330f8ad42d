/** A run's losses as a picture: each step as it was, their running mean, and the evaluations on rows set aside. */
import { type Html, html } from "../report/html.ts";

export interface LossCurve {
  readonly steps: { readonly step: number; readonly loss: number }[];
  readonly evaluations: { readonly step: number; readonly loss: number }[];
}

const WIDTH = 760;
const HEIGHT = 280;
const LEFT = 46;
const RIGHT = 16;
const TOP = 12;
const BOTTOM = 40;
/** Share of the mean that one step replaces. */
const SMOOTHING = 0.15;

export function lossChart({ steps, evaluations }: LossCurve): Html {
  const lastStep = Math.max(1, ...steps.map(({ step }) => step));
  const losses = [...steps, ...evaluations].map(({ loss }) => loss);
  const [low, high, gap] = scale(Math.min(...losses), Math.max(...losses));
  const x = (step: number) => LEFT + (step / lastStep) * (WIDTH - LEFT - RIGHT);
  const y = (loss: number) => TOP + ((high - loss) / (high - low)) * (HEIGHT - TOP - BOTTOM);
  const line = (points: readonly { step: number; loss: number }[]) =>
    points.map(({ step, loss }) => `${x(step).toFixed(1)},${y(loss).toFixed(1)}`).join(" ");
  const ticks = Array.from({ length: Math.round((high - low) / gap) + 1 }, (_, index) => low + index * gap);
  const stepTicks = [...new Set([0, 0.25, 0.5, 0.75, 1].map((share) => Math.round(share * lastStep)))];
  const [first, last] = [evaluations[0], evaluations.at(-1)];
  const spoken = first && last ? `from ${first.loss.toFixed(2)} before training to ${last.loss.toFixed(2)} at step ${last.step}` : "";
  return html`<figure class="curve"><svg viewBox="0 0 ${WIDTH} ${HEIGHT}" role="img" aria-label="Loss by step: on rows set aside ${spoken}">
${ticks.map((tick) => html`<line class="grid" x1="${LEFT}" x2="${WIDTH - RIGHT}" y1="${y(tick).toFixed(1)}" y2="${y(tick).toFixed(1)}"/><text class="tick" x="${LEFT - 8}" y="${(y(tick) + 4).toFixed(1)}" text-anchor="end">${tick.toFixed(gap < 1 ? 1 : 0)}</text>`)}
${stepTicks.map((step) => html`<text class="tick" x="${x(step).toFixed(1)}" y="${HEIGHT - BOTTOM + 18}" text-anchor="middle">${step}</text>`)}
<text class="tick" x="${(LEFT + WIDTH - RIGHT) / 2}" y="${HEIGHT - 4}" text-anchor="middle">step</text>
<polyline class="raw" points="${line(steps)}"/><polyline class="smooth" points="${line(smooth(steps))}"/>
<polyline class="aside" points="${line(evaluations)}"/>${evaluations.map(({ step, loss }) => html`<circle class="aside" cx="${x(step).toFixed(1)}" cy="${y(loss).toFixed(1)}" r="4.5"><title>step ${step}: ${loss.toFixed(3)}</title></circle>`)}
</svg><figcaption><span class="key smooth">training loss, running mean</span> <span class="key raw">each step</span> <span class="key aside">rows set aside from training</span></figcaption></figure>`;
}

function smooth(steps: LossCurve["steps"]): { step: number; loss: number }[] {
  let mean = steps[0]?.loss ?? 0;
  return steps.map(({ step, loss }) => {
    mean += SMOOTHING * (loss - mean);
    return { step, loss: mean };
  });
}

/** Round ends around the values, and the distance of the lines between. */
function scale(least: number, most: number): [low: number, high: number, gap: number] {
  const gap = [0.1, 0.2, 0.5, 1, 2, 5].find((each) => (most - least) / each <= 6) ?? 10;
  const low = Math.floor(least / gap) * gap;
  return [low, Math.max(low + gap, Math.ceil(most / gap) * gap), gap];
}
