/**
 * The report as one HTML page that needs no network: data → sections → page. Style and behaviour come from `studio/report/`.
 * Everything that a model, a document or a user wrote is escaped.
 */
import { cleanLine } from "../../retrieval/documents/document.ts";
import { METRICS } from "../eval/metrics.ts";
import type { Strength } from "../statistics/bradley-terry.ts";
import { type Html, html } from "./html.ts";
import { renderPage } from "./page.ts";
import { questionSection } from "./question-section.ts";
import type { ReportData } from "./report-data.ts";
import { showValue } from "./show-value.ts";
import { summarySection } from "./summary-section.ts";

export function renderReport(data: ReportData): string {
  const body = html`<a class="skip" href="#questions">To the questions</a>
<header class="page"><h1>${data.title}</h1><p>${data.questions.length} questions, ${data.variants.length} variants · ${data.madeAt.slice(0, 16).replace("T", " ")} · remora ${data.remora}${data.translator && html` · translated by ${data.translator}`}</p></header>
<main>${summarySection(data)}${strengths(data)}${changes(data)}${unreadDocuments(data)}${problems(data)}
<section aria-labelledby="questions"><h2 id="questions">Questions</h2>${filters(data)}<p id="shown" role="status" aria-live="polite"></p>
<div id="list">${data.questions.map((question, index) => questionSection(data, question, index))}</div></section>
${settings(data)}</main>`;
  return renderPage({ title: data.title, styles: ["report/report.css"], body, scripts: ["report/report.js"] });
}

function filters({ questions }: ReportData): Html {
  const categories = [...new Set(questions.map(({ category }) => category).filter((category) => category !== undefined))];
  return html`<form class="filters" role="search" aria-label="Filter questions"><label>Search <input id="search" type="search"></label>
<label>Show <select id="filter"><option value="all">all</option><option value="differs">where answers differ</option><option value="silent">with no answer</option><option value="thumbs">with your thumbs or notes</option></select></label>
${categories.length > 0 && html`<label>Category <select id="category"><option value="">all</option>${categories.map((category) => html`<option>${category}</option>`)}</select></label>`}
<label>Order <select id="order"><option value="asked">as asked</option><option value="worst">worst F1 first</option></select></label>
<button type="button" id="save">Save thumbs and notes…</button></form>`;
}

function strengths({ judge }: ReportData): Html | undefined {
  if (!judge) return undefined;
  const bad = judge.pairs.filter(({ problem }) => problem !== undefined).length;
  return html`<section aria-labelledby="judge"><h2 id="judge">Judged in pairs</h2><p class="hint">By ${judge.model}, each pair twice with positions swapped, names hidden; ${judge.pairs.length - bad} pairs counted${bad > 0 && html`, ${bad} without a verdict that could be read`}. 400 points are odds of 10 to 1.</p>
${judge.strengths.length > 0 && strengthTable(judge.strengths)}</section>`;
}

function strengthTable(rows: readonly Strength[]): Html {
  return html`<div class="scroll" tabindex="0" role="region" aria-label="Strengths by the judge"><table><thead><tr><th scope="col">Variant</th><th scope="col">Points</th><th scope="col">95% interval</th><th scope="col">Share won (ties half)</th><th scope="col">Pairs</th></tr></thead><tbody>${rows.map(
    ({ name, rating, low, high, winRate, games }) =>
      html`<tr><th scope="row">${name}</th><td>${rating.toFixed(0)}</td><td>${low.toFixed(0)} to ${high.toFixed(0)}</td><td>${showValue(winRate, "share")}</td><td>${games}</td></tr>`,
  )}</tbody></table></div>`;
}

function changes({ comparedWith }: ReportData): Html | undefined {
  if (!comparedWith) return undefined;
  const metricOf = new Map(METRICS.map((metric) => [metric.name, metric]));
  return html`<section aria-labelledby="changes"><h2 id="changes">Against ${comparedWith.title}</h2><p class="hint">Questions that both runs asked, paired. Run of ${comparedWith.madeAt.slice(0, 16).replace("T", " ")}.</p>
<div class="scroll" tabindex="0" role="region" aria-label="Changes since the earlier run"><table><thead><tr><th scope="col">Variant</th><th scope="col">Figure</th><th scope="col">Then</th><th scope="col">Now</th><th scope="col">Change</th></tr></thead><tbody>${comparedWith.changes.map(
    ({ variant, metric, before, now, differs }) => {
      const { title, unit, better } = metricOf.get(metric)!;
      const good =
        differs === "cannot tell" || better === "neither" ? "" : (differs === "higher") === (better === "higher") ? "good" : "bad";
      const word = differs === "cannot tell" ? "cannot tell" : good === "good" ? "better" : good === "bad" ? "worse" : differs;
      return html`<tr><th scope="row">${variant}</th><td>${title}</td><td>${showValue(before, unit)}</td><td>${showValue(now, unit)}</td><td class="${good}">${word}</td></tr>`;
    },
  )}</tbody></table></div></section>`;
}

/** What the answers with documents do not know of, and why. */
function unreadDocuments({ unreadDocuments: unread = [] }: ReportData): Html | undefined {
  if (unread.length === 0) return undefined;
  return html`<section aria-labelledby="unread"><h2 id="unread">Documents that could not be read</h2><p class="hint">What the variants with documents could not draw on.</p><ul>${unread.map(
    ({ document, reason, next, triedAt, keepsOldText }) =>
      html`<li><b>${cleanLine(document)}</b>: ${reason.replace(/\.$/u, "")}${keepsOldText && " (what was read of it before is still in the index)"}. Tried ${triedAt.slice(0, 16).replace("T", " ")}. ${next}</li>`,
  )}</ul></section>`;
}

/** Every item that is missing from the figures, by name. */
function problems({ problems: rows, answers, judge, translationProblems: untranslated = [] }: ReportData): Html | undefined {
  const failed = answers.filter(({ error }) => error !== undefined);
  const unjudged = judge?.pairs.filter(({ problem }) => problem !== undefined) ?? [];
  const untold = judge?.silence?.filter(({ problem }) => problem !== undefined) ?? [];
  if (untold.length + rows.length + failed.length + unjudged.length + untranslated.length === 0) return undefined;
  return html`<section aria-labelledby="problems"><h2 id="problems">What went wrong</h2><ul>${rows.map(
    ({ file, row, problem }) => html`<li>${file}, row ${row}: ${problem}. Left out.</li>`,
  )}${failed.map(({ variant, id, error }) => html`<li>${variant}, question ${id}: ${error}</li>`)}${unjudged.map(
    ({ a, b, id, problem }) => html`<li>${a} against ${b}, question ${id} (not counted): ${problem}</li>`,
  )}${untold.map(
    ({ variant, id, problem }) => html`<li>${variant}, question ${id} (answered or not, told by its words): ${problem}</li>`,
  )}${untranslated.map(({ text, problem }) => html`<li>Not translated: “${shorten(text)}”: ${problem}</li>`)}</ul></section>`;
}

function shorten(text: string): string {
  return text.length > 80 ? `${text.slice(0, 80)}…` : text;
}

function settings(data: ReportData): Html {
  return html`<section aria-labelledby="made"><h2 id="made">How this was made</h2><dl>${Object.entries(data.settings).map(
    ([name, value]) => html`<dt>${name}</dt><dd>${value}</dd>`,
  )}</dl></section>`;
}
