/** The top of the page: what may be said in words, the table of variants and figures with intervals, who answered and who stayed silent. */
import { METRICS } from "../eval/metrics.ts";
import { summarySentences } from "../eval/summary-sentences.ts";
import type { AnswerTable } from "../no-answer/answer-table.ts";
import type { Interval } from "../statistics/bootstrap.ts";
import { type Html, html } from "./html.ts";
import { intervalChart } from "./interval-chart.ts";
import type { ReportData } from "./report-data.ts";
import { showValue } from "./show-value.ts";
import type { Wording } from "./words/report-words.ts";

const CHARTED = ["f1", "chrF", "noAnswer", "groundedness", "similarity", "seconds"];

export function summarySection(data: ReportData, wording: Wording): Html {
  const { summary } = data;
  const { language, words } = wording;
  const sentences = summarySentences(summary, language);
  return html`<section aria-labelledby="summary"><h2 id="summary">${words.whatHelped}</h2>
${sentences.length > 0 ? html`<ul class="words">${sentences.map((sentence) => html`<li>${sentence}</li>`)}</ul>` : html`<p>${words.oneVariant}</p>`}
<div class="charts">${METRICS.filter(({ name }) => CHARTED.includes(name)).map((metric) =>
    intervalChart(
      { title: metric.title[language], unit: metric.unit },
      summary.variants.map(({ variant, metrics }) => ({ variant, interval: metrics[metric.name] })),
    ),
  )}</div></section>
${metricTable(data, wording)}
${silenceTable(data, wording)}`;
}

function metricTable({ summary, variants }: ReportData, { language, words }: Wording): Html {
  const used = METRICS.filter(({ name }) => summary.variants.some(({ metrics }) => metrics[name]));
  const describe = new Map(variants.map(({ name, description, parts }) => [name, parts ? words.variantParts(parts) : description]));
  return html`<section aria-labelledby="figures"><h2 id="figures">${words.figures}</h2>
<p class="hint">${words.figuresHint(summary.baseline)}</p>
<div class="scroll" tabindex="0" role="region" aria-label="${words.figuresTable}"><table><thead><tr><th scope="col">${words.variant}</th>${used.map(
    ({ title, meaning }) => html`<th scope="col" title="${meaning[language]}">${title[language]}</th>`,
  )}</tr></thead><tbody>${summary.variants.map(
    ({ variant, metrics, differences }) =>
      html`<tr><th scope="row">${variant}<small>${describe.get(variant)}</small></th>${used.map(({ name, unit, better }) => {
        const interval = metrics[name];
        if (!interval) return html`<td>–</td>`;
        const differs = differences[name]?.differs;
        const mark = differs === "higher" ? "▲" : differs === "lower" ? "▼" : "";
        const good = better !== "neither" && mark !== "" ? ((differs === "higher") === (better === "higher") ? "good" : "bad") : "";
        return html`<td class="${good}">${showValue(interval.mean, unit)}${mark && html` <span role="img" aria-label="${differs === "higher" ? words.higherThan(summary.baseline) : words.lowerThan(summary.baseline)}">${mark}</span>`}<small>${showValue(interval.low, unit)} – ${showValue(interval.high, unit)}</small></td>`;
      })}</tr>`,
  )}</tbody></table></div></section>`;
}

function silenceTable({ summary, judge }: ReportData, { words: { variant: variantWord, filters, silence: words } }: Wording): Html {
  const rows = summary.variants.flatMap(({ variant, answers, byCategory }) => [
    { variant, category: filters.all, answers },
    ...Object.entries(byCategory).map(([category, part]) => ({ variant, category, answers: part.answers })),
  ]);
  const withCategory = rows.length > summary.variants.length;
  const cell = (interval: Interval | undefined) =>
    interval
      ? html`<td>${showValue(interval.mean, "share")}<small>${showValue(interval.low, "share")} – ${showValue(interval.high, "share")}</small></td>`
      : html`<td>–</td>`;
  const columns = [
    words.answeredAnswerable,
    words.answeredUnanswerable,
    words.refusedAnswerable,
    words.refusedUnanswerable,
    words.unmarked,
    words.noAnswer,
    words.rightWhenAnswered,
  ];
  const heads = [variantWord, ...(withCategory ? [filters.category] : []), ...columns];
  return html`<section aria-labelledby="silence"><h2 id="silence">${words.title}</h2>
<p class="hint">${words.hint(judge?.silence && judge.model)}</p>
<div class="scroll" tabindex="0" role="region" aria-label="${words.table}"><table><thead><tr>${heads.map((head) => html`<th scope="col">${head}</th>`)}</tr></thead>
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
