/** One question with all its answers side by side: both languages, sources, what differs from the first answer, and room for a person's view. */
import type { JudgedPair } from "../judge/pairwise-judge.ts";
import { differences } from "./differences.ts";
import { type Html, html } from "./html.ts";
import type { HumanNote, ReportAnswer, ReportData, ReportQuestion, Translation } from "./report-data.ts";
import { showValue } from "./show-value.ts";
import type { ReportWords } from "./words/english.ts";

export function questionSection(data: ReportData, question: ReportQuestion, index: number, words: ReportWords): Html {
  const answers = data.variants.map(({ name }) => data.answers.find((answer) => answer.id === question.id && answer.variant === name));
  const first = question.oldAnswer ?? answers[0]?.text ?? "";
  const judged = data.judge?.pairs.filter(({ id }) => id === question.id) ?? [];
  const anchor = `q${index + 1}`;
  const states = new Set(
    answers.flatMap((answer) =>
      answer === undefined ? ["missing"] : answer.error !== undefined ? ["failed"] : [answer.scores?.kind ?? ""],
    ),
  );
  const texts = new Set(answers.map((answer) => answer?.text.trim() ?? ""));
  const f1s = answers.map((answer) => answer?.scores?.f1).filter((value) => value !== undefined);
  return html`<article class="question" id="${anchor}" aria-labelledby="${anchor}-title" data-id="${question.id}" data-category="${question.category ?? ""}" data-differs="${texts.size > 1 ? "1" : "0"}" data-silent="${[...states].some((state) => state !== "answered" && state !== "") ? "1" : "0"}" data-worst="${f1s.length > 0 ? Math.min(...f1s).toFixed(4) : ""}">
<header><h3 id="${anchor}-title"><a href="#${anchor}" aria-label="${words.question(index + 1)}">${index + 1}</a> <span${languageOf(question.language)}>${question.question}</span></h3>${translated(question.translation, words)}
<p class="facts">${question.category && html`<span class="tag">${question.category}</span>`}${question.answerable === false && html`<span class="tag">${words.hasNoAnswer}</span>`}${question.references.length > 0 && html`<span>${words.reference} <b>${question.references.join(" · ")}</b></span>`}</p></header>
<div class="answers">${question.oldAnswer !== undefined && html`<section class="answer old" aria-label="${words.oldAnswer}"><h4>${words.oldAnswer}</h4><p class="text">${question.oldAnswer}</p>${translated(question.oldAnswerTranslation, words)}</section>`}${answers.map(
    (answer, place) =>
      answerSection(
        data.variants[place]!.name,
        answer,
        question.oldAnswer === undefined && place === 0 ? undefined : first,
        noteOf(data, data.variants[place]!.name, question.id),
        words,
      ),
  )}</div>
${judged.length > 0 && html`<p class="judged">${words.judged} ${judged.map((pair) => verdict(pair, words)).join("; ")}</p>`}
</article>`;
}

function verdict({ a, b, score, problem, reasons }: JudgedPair, words: ReportWords): string {
  const outcome = problem
    ? words.pairProblem(a, b, problem)
    : score === 0.5
      ? words.tie(a, b)
      : score! > 0.5
        ? words.wins(a, b)
        : words.wins(b, a);
  return reasons[0] ? `${outcome} (${reasons[0]})` : outcome;
}

function answerSection(
  variant: string,
  answer: ReportAnswer | undefined,
  compareWith: string | undefined,
  note: HumanNote | undefined,
  words: ReportWords,
): Html {
  if (answer === undefined)
    return html`<section class="answer" aria-label="${variant}"><h4>${variant}</h4><p class="silent">${words.notAsked}</p></section>`;
  if (answer.error !== undefined)
    return html`<section class="answer failed" aria-label="${variant}"><h4>${variant}</h4><p class="silent">${words.failed(answer.error)}</p></section>`;
  const { scores } = answer;
  const silent = scores && scores.kind !== "answered" ? html`<span class="tag quiet">${words.kinds[scores.kind]}</span>` : "";
  const pieces = compareWith === undefined ? [{ text: answer.text, differs: false }] : differences(answer.text, compareWith);
  const figures = scores
    ? [
        scores.f1 !== undefined && `F1 ${showValue(scores.f1, "share")}`,
        scores.groundedness !== undefined && words.grounded(showValue(scores.groundedness, "share")),
        `${showValue(answer.seconds, "seconds")}`,
      ].filter((figure) => figure !== false)
    : [];
  const unsupported = scores?.unsupportedNumbers ?? [];
  return html`<section class="answer" aria-label="${variant}" data-variant="${variant}"><h4>${variant} ${silent}</h4>
<p class="text"${languageOf(scores?.language)}>${answer.text.trim() === "" ? html`<i>${words.nothing}</i>` : pieces.map(({ text, differs }) => (differs ? html`<mark>${text}</mark>` : text))}</p>${translated(answer.translation, words)}
<p class="facts">${figures.join(" · ")}${unsupported.length > 0 && html` · <span class="bad">${words.unsupportedNumbers} ${unsupported.join(", ")}</span>`}</p>
${sourceList(answer, words)}
<div class="view" role="group" aria-label="${words.yourView(variant)}">${thumb("up", note, words)}${thumb("down", note, words)}<input class="note" type="text" placeholder="${words.note}" aria-label="${words.noteOn(variant)}" value="${note?.note ?? ""}"></div></section>`;
}

/** Drawn, because not every machine has a font with thumbs. */
function thumb(direction: "up" | "down", note: HumanNote | undefined, words: ReportWords): Html {
  const label = direction === "up" ? words.goodAnswer : words.badAnswer;
  return html`<button type="button" class="thumb" data-thumb="${direction}" aria-pressed="${note?.thumb === direction ? "true" : "false"}" aria-label="${label}" title="${label}"><svg viewBox="0 0 20 20" aria-hidden="true"${direction === "down" && html` class="down"`}><path d="M2 9h3v9H2zM7 9l4-7c1.6 0 2.3 1.1 2 2.6L12.4 8H17c1 0 1.7.9 1.5 1.9l-1.2 6.4c-.2 1-1 1.7-2 1.7H9l-2-1z"/></svg></button>`;
}

function sourceList({ sources }: ReportAnswer, words: ReportWords): Html | undefined {
  if (!sources || sources.length === 0) return undefined;
  return html`<details class="sources"><summary>${words.sources(sources.length)}</summary><ol>${sources.map(
    ({ title, text }) => html`<li><b>${title}</b><blockquote>${text}</blockquote></li>`,
  )}</ol></details>`;
}

function translated(translation: Translation | undefined, words: ReportWords): Html | undefined {
  if (!translation) return undefined;
  return html`<p class="translation" lang="${translation.language}">${translation.text} <small>${words.machineTranslation}</small></p>`;
}

/** As HTML names languages; what is none of these says nothing to a screen reader. */
function languageOf(language: string | undefined): Html | undefined {
  return language === "ja" || language === "en" || language === "zh" || language === "ko" ? html` lang="${language}"` : undefined;
}

function noteOf(data: ReportData, variant: string, id: string): HumanNote | undefined {
  return data.notes.find((note) => note.variant === variant && note.id === id);
}
