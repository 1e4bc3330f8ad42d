/** A figure of all variants as dots with their intervals, drawn as SVG; the same numbers stand in the table for whoever cannot see it. */
import type { Metric } from "../eval/metrics.ts";
import type { Interval } from "../statistics/bootstrap.ts";
import { type Html, html } from "./html.ts";
import { showValue } from "./show-value.ts";

const WIDTH = 440;
const LABEL = 130;
const ROW = 26;
const RIGHT = 58;
const COLOURS = 6;

export function intervalChart(
  metric: Pick<Metric, "unit"> & { readonly title: string },
  rows: readonly { readonly variant: string; readonly interval: Interval | undefined }[],
): Html | undefined {
  // A variant keeps its colour in every chart, also where another has no figure.
  const shown = rows.flatMap(({ variant, interval }, place) => (interval ? [{ variant, interval, colour: place % COLOURS }] : []));
  if (shown.length === 0) return undefined;
  const top = metric.unit === "share" ? 1 : Math.max(...shown.map(({ interval }) => interval.high)) * 1.05 || 1;
  const x = (value: number) => LABEL + (Math.max(0, value) / top) * (WIDTH - LABEL - RIGHT);
  const height = shown.length * ROW + 8;
  const spoken = shown.map(({ variant, interval }) => `${variant} ${showValue(interval.mean, metric.unit)}`).join(", ");
  return html`<figure class="chart"><figcaption>${metric.title}</figcaption>
<svg viewBox="0 0 ${WIDTH} ${height}" role="img" aria-label="${metric.title}: ${spoken}">
<line class="axis" x1="${LABEL}" y1="0" x2="${LABEL}" y2="${height}"/>
${shown.map(({ variant, interval, colour }, index) => {
  const y = index * ROW + ROW / 2 + 4;
  return html`<text class="label" x="${LABEL - 8}" y="${y + 4}" text-anchor="end">${shorten(variant)}</text>
<line class="range" x1="${x(interval.low).toFixed(1)}" x2="${x(interval.high).toFixed(1)}" y1="${y}" y2="${y}"/>
<circle class="dot s${colour}" cx="${x(interval.mean).toFixed(1)}" cy="${y}" r="5"/>
<text class="value" x="${WIDTH - RIGHT + 6}" y="${y + 4}">${showValue(interval.mean, metric.unit)}</text>`;
})}</svg></figure>`;
}

function shorten(name: string): string {
  return name.length > 18 ? `${name.slice(0, 17)}…` : name;
}
