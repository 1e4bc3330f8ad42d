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
import type { ReportWords } from "./words/english.ts";
import { type Wording, wordingOf } from "./words/report-words.ts";

export function renderReport(data: ReportData): string {
  const wording = wordingOf(data);
  const { language, words } = wording;
  const body = html`<a class="skip" href="#questions">${words.toQuestions}</a>
<header class="page"><h1>${data.title}</h1><p>${words.counts(data.questions.length, data.variants.length)} · ${minute(data.madeAt)} · remora ${data.remora}${data.translator && ` · ${words.translatedBy(data.translator)}`}</p></header>
<main>${summarySection(data, wording)}${strengths(data, wording)}${changes(data, wording)}${unreadDocuments(data, wording)}${problems(data, wording)}
<section aria-labelledby="questions"><h2 id="questions">${words.questions}</h2>${filters(data, wording)}<p id="shown" role="status" aria-live="polite" data-words="${words.filters.shown}"></p>
<div id="list">${data.questions.map((question, index) => questionSection(data, question, index, words))}</div></section>
${settings(data, wording)}</main>`;
  return renderPage({ title: data.title, language, styles: ["report/report.css"], body, scripts: ["report/report.js"] });
}

/** To the minute, as it stands in the data. */
function minute(instant: string): string {
  return instant.slice(0, 16).replace("T", " ");
}

function filters({ questions }: ReportData, { words: { filters: words } }: Wording): Html {
  const categories = [...new Set(questions.map(({ category }) => category).filter((category) => category !== undefined))];
  return html`<form class="filters" role="search" aria-label="${words.title}"><label>${words.search} <input id="search" type="search"></label>
<label>${words.show} <select id="filter"><option value="all">${words.all}</option><option value="differs">${words.differs}</option><option value="silent">${words.silent}</option><option value="thumbs">${words.viewed}</option></select></label>
${categories.length > 0 && html`<label>${words.category} <select id="category"><option value="">${words.all}</option>${categories.map((category) => html`<option>${category}</option>`)}</select></label>`}
<label>${words.order} <select id="order"><option value="asked">${words.asked}</option><option value="worst">${words.worst}</option></select></label>
<button type="button" id="save">${words.save}</button></form>`;
}

function strengths({ judge }: ReportData, { words }: Wording): Html | undefined {
  if (!judge) return undefined;
  const bad = judge.pairs.filter(({ problem }) => problem !== undefined).length;
  return html`<section aria-labelledby="judge"><h2 id="judge">${words.judge.title}</h2><p class="hint">${words.judge.hint(judge.model, judge.pairs.length - bad, bad)}</p>
${judge.strengths.length > 0 && strengthTable(judge.strengths, words)}</section>`;
}

function strengthTable(rows: readonly Strength[], { variant, judge: words }: ReportWords): Html {
  return html`<div class="scroll" tabindex="0" role="region" aria-label="${words.table}"><table><thead><tr>${[variant, words.points, words.interval, words.shareWon, words.pairs].map(columnHead)}</tr></thead><tbody>${rows.map(
    ({ name, rating, low, high, winRate, games }) =>
      html`<tr><th scope="row">${name}</th><td>${rating.toFixed(0)}</td><td>${words.range(low.toFixed(0), high.toFixed(0))}</td><td>${showValue(winRate, "share")}</td><td>${games}</td></tr>`,
  )}</tbody></table></div>`;
}

function columnHead(title: string): Html {
  return html`<th scope="col">${title}</th>`;
}

function changes({ comparedWith }: ReportData, { language, words: { variant: variantWord, changes: words } }: Wording): Html | undefined {
  if (!comparedWith) return undefined;
  const metricOf = new Map(METRICS.map((metric) => [metric.name, metric]));
  return html`<section aria-labelledby="changes"><h2 id="changes">${words.title(comparedWith.title)}</h2><p class="hint">${words.hint(minute(comparedWith.madeAt))}</p>
<div class="scroll" tabindex="0" role="region" aria-label="${words.table}"><table><thead><tr>${[variantWord, words.figure, words.before, words.now, words.change].map(columnHead)}</tr></thead><tbody>${comparedWith.changes.map(
    ({ variant, metric, before, now, differs }) => {
      const { title, unit, better } = metricOf.get(metric)!;
      const good =
        differs === "cannot tell" || better === "neither" ? "" : (differs === "higher") === (better === "higher") ? "good" : "bad";
      const word =
        differs === "cannot tell" ? words.cannotTell : good === "good" ? words.better : good === "bad" ? words.worse : words[differs];
      return html`<tr><th scope="row">${variant}</th><td>${title[language]}</td><td>${showValue(before, unit)}</td><td>${showValue(now, unit)}</td><td class="${good}">${word}</td></tr>`;
    },
  )}</tbody></table></div></section>`;
}

/** What the answers with documents do not know of, and why. */
function unreadDocuments({ unreadDocuments: unread = [] }: ReportData, { words: { unread: words } }: Wording): Html | undefined {
  if (unread.length === 0) return undefined;
  return html`<section aria-labelledby="unread"><h2 id="unread">${words.title}</h2><p class="hint">${words.hint}</p><ul>${unread.map(
    ({ document, reason, next, triedAt, keepsOldText }) =>
      html`<li><b>${cleanLine(document)}</b>: ${reason.replace(/\.$/u, "")}${keepsOldText && words.oldText}${words.tried(minute(triedAt))}${next}</li>`,
  )}</ul></section>`;
}

/** Every item that is missing from the figures, by name. */
function problems(
  { problems: rows, answers, judge, translationProblems: untranslated = [] }: ReportData,
  { words: { problems: words } }: Wording,
): Html | undefined {
  const failed = answers.filter(({ error }) => error !== undefined);
  const unjudged = judge?.pairs.filter(({ problem }) => problem !== undefined) ?? [];
  const untold = judge?.silence?.filter(({ problem }) => problem !== undefined) ?? [];
  const lines = [
    ...rows.map(({ file, row, problem }) => words.row(file, row, problem)),
    ...failed.map(({ variant, id, error }) => words.answer(variant, id, error!)),
    ...unjudged.map(({ a, b, id, problem }) => words.pair(a, b, id, problem!)),
    ...untold.map(({ variant, id, problem }) => words.silence(variant, id, problem!)),
    ...untranslated.map(({ text, problem }) => words.translation(shorten(text), problem)),
  ];
  if (lines.length === 0) return undefined;
  return html`<section aria-labelledby="problems"><h2 id="problems">${words.title}</h2><ul>${lines.map((line) => html`<li>${line}</li>`)}</ul></section>`;
}

function shorten(text: string): string {
  return text.length > 80 ? `${text.slice(0, 80)}…` : text;
}

function settings(data: ReportData, { words }: Wording): Html {
  return html`<section aria-labelledby="made"><h2 id="made">${words.howMade}</h2><dl>${Object.entries(data.settings).map(
    ([name, value]) => html`<dt>${name}</dt><dd>${value}</dd>`,
  )}</dl></section>`;
}
