/** The top of the page: what may be said in words, the table of variants and figures with intervals, who answered and who stayed silent. */
import { METRICS } from "../eval/metrics.ts";
import type { AnswerTable } from "../no-answer/answer-table.ts";
import type { Interval } from "../statistics/bootstrap.ts";
import { type Html, html } from "./html.ts";
import { intervalChart } from "./interval-chart.ts";
import type { ReportData } from "./report-data.ts";
import { showValue } from "./show-value.ts";

const CHARTED = ["f1", "chrF", "noAnswer", "groundedness", "similarity", "seconds"];

export function summarySection(data: ReportData): Html {
  const { summary } = data;
  return html`<section aria-labelledby="summary"><h2 id="summary">What helped</h2>
${summary.sentences.length > 0 ? html`<ul class="words">${summary.sentences.map((sentence) => html`<li>${sentence}</li>`)}</ul>` : html`<p>One variant only: there is nothing to compare it with.</p>`}
<div class="charts">${METRICS.filter(({ name }) => CHARTED.includes(name)).map((metric) =>
    intervalChart(
      metric,
      summary.variants.map(({ variant, metrics }) => ({ variant, interval: metrics[metric.name] })),
    ),
  )}</div></section>
${metricTable(data)}
${silenceTable(data)}`;
}

function metricTable({ summary, variants }: ReportData): Html {
  const used = METRICS.filter(({ name }) => summary.variants.some(({ metrics }) => metrics[name]));
  const describe = new Map(variants.map(({ name, description }) => [name, description]));
  return html`<section aria-labelledby="figures"><h2 id="figures">Figures</h2>
<p class="hint">Means with 95% intervals over questions. ▲ and ▼ mark what differs from ${summary.baseline} beyond chance, question by question.</p>
<div class="scroll" tabindex="0" role="region" aria-label="Figures by variant"><table><thead><tr><th scope="col">Variant</th>${used.map(
    ({ title, meaning }) => html`<th scope="col" title="${meaning}">${title}</th>`,
  )}</tr></thead><tbody>${summary.variants.map(
    ({ variant, metrics, differences }) =>
      html`<tr><th scope="row">${variant}<small>${describe.get(variant)}</small></th>${used.map(({ name, unit, better }) => {
        const interval = metrics[name];
        if (!interval) return html`<td>–</td>`;
        const differs = differences[name]?.differs;
        const mark = differs === "higher" ? "▲" : differs === "lower" ? "▼" : "";
        const good = better !== "neither" && mark !== "" ? ((differs === "higher") === (better === "higher") ? "good" : "bad") : "";
        return html`<td class="${good}">${showValue(interval.mean, unit)}${mark && html` <span role="img" aria-label="${differs === "higher" ? "higher" : "lower"} than ${summary.baseline}">${mark}</span>`}<small>${showValue(interval.low, unit)} – ${showValue(interval.high, unit)}</small></td>`;
      })}</tr>`,
  )}</tbody></table></div></section>`;
}

function silenceTable({ summary, judge }: ReportData): Html {
  const rows = summary.variants.flatMap(({ variant, answers, byCategory }) => [
    { variant, category: "all", answers },
    ...Object.entries(byCategory).map(([category, part]) => ({ variant, category, answers: part.answers })),
  ]);
  const withCategory = rows.some(({ category }) => category !== "all");
  const cell = (interval: Interval | undefined) =>
    interval
      ? html`<td>${showValue(interval.mean, "share")}<small>${showValue(interval.low, "share")} – ${showValue(interval.high, "share")}</small></td>`
      : html`<td>–</td>`;
  return html`<section aria-labelledby="silence"><h2 id="silence">Answered or not</h2>
<p class="hint">Silence is right where no answer exists and wrong where one does${judge?.silence && html`; ${judge.model} said what is an answer`}. “Right when answered” is the mean F1 of answered questions that have an answer.</p>
<div class="scroll" tabindex="0" role="region" aria-label="Answered and refused by variant"><table><thead><tr><th scope="col">Variant</th>${withCategory && html`<th scope="col">Category</th>`}<th scope="col">Answered, answerable</th><th scope="col">Answered, unanswerable</th><th scope="col">Refused, answerable</th><th scope="col">Refused, unanswerable</th><th scope="col">Not marked: answered / refused</th><th scope="col">No answer</th><th scope="col">Right when answered</th></tr></thead>
<tbody>${rows.map(({ variant, category, answers }) => silenceRow(variant, withCategory ? category : undefined, answers, cell))}</tbody></table></div></section>`;
}

function silenceRow(
  variant: string,
  category: string | undefined,
  table: AnswerTable,
  cell: (interval: Interval | undefined) => Html,
): Html {
  const { answered, refused } = table;
  return html`<tr><th scope="row">${variant}</th>${category !== undefined && html`<td>${category}</td>`}<td>${answered.answerable}</td><td>${answered.unanswerable}</td><td>${refused.answerable}</td><td>${refused.unanswerable}</td><td>${answered.unknown} / ${refused.unknown}</td>${cell(table.noAnswer)}${cell(table.correctGivenAttempted)}</tr>`;
}
