/** A demo as one page: what it came to, how it learnt, sentences side by side, the proof of the saved model, and how it was made. */
import type { DemoReport, DemoSample, DemoScore, DemoStage, DemoTest, SaveReport } from "../../config/reports.ts";
import { counted } from "../../errors/counted.ts";
import { differences } from "../report/differences.ts";
import { type Html, html } from "../report/html.ts";
import { renderPage } from "../report/page.ts";
import { type LossCurve, lossChart } from "./loss-curve.ts";

export type { LossCurve };

/** Everything on the page; `demo.json` holds the same. */
export interface DemoData {
  readonly remora: string;
  readonly madeAt: string;
  readonly report: DemoReport;
  readonly instruction: string;
  /** Training rows that were learnt, and those that chose the checkpoint. */
  readonly rows: { readonly learnt: number; readonly aside: number };
  readonly test?: DemoTest;
  readonly scores: Readonly<Record<DemoStage, DemoScore>>;
  readonly sentences: readonly DemoSample[];
  /** Places of the sentences that are shown first. */
  readonly shown: readonly number[];
  readonly curve: LossCurve;
  readonly save: SaveReport;
}

const STAGES: readonly { readonly stage: DemoStage; readonly title: string; readonly meaning: string }[] = [
  { stage: "before", title: "Before", meaning: "the model as it ships" },
  { stage: "after", title: "Tuned", meaning: "with its new adapter" },
  { stage: "saved", title: "Saved in 4 bits", meaning: "merged, read from disk" },
];

export function renderDemoPage(data: DemoData): string {
  const { report } = data;
  const title = `${report.model} learns to translate`;
  const body = html`<header class="page"><h1>${title}</h1><p>remora demo · ${data.madeAt.slice(0, 16).replace("T", " ")} UTC · remora ${data.remora} · ${report.device} · ${duration(report.seconds)}</p></header>
<main>${outcome(data)}${learning(data)}${samples(data)}${proof(data.save)}${howMade(data)}</main>`;
  return renderPage({ title, language: "en", styles: ["report/report.css", "demo/demo.css"], body });
}

function outcome({ scores, sentences, rows, instruction, save }: DemoData): Html {
  const gained = scores.after.chrF - scores.before.chrF;
  const kept = save.proof.saved.retained;
  return html`<section aria-labelledby="outcome"><h2 id="outcome">What it came to</h2>
<p>Asked <q lang="ja">${instruction}</q> (translate the next sentence into English), the model went from <b>${scores.before.chrF.toFixed(1)}</b> to <b>${scores.after.chrF.toFixed(1)}</b> chrF on ${counted(sentences.length, "sentence")} that it never saw: ${gained >= 0 ? "up" : "down"} ${Math.abs(gained).toFixed(1)} points from ${counted(rows.learnt, "row")}. Merged into 4-bit weights and read from disk again it stands at <b>${scores.saved.chrF.toFixed(1)}</b>${kept !== null && html`, with ${percent(kept)} of what it learnt retained`}.</p>
<div class="stages">${STAGES.map(({ stage, title, meaning }) => stageCard(title, meaning, scores[stage], stage))}</div>
<p class="hint">It had read Japanese, English and pairs of both before, and can translate when asked in that form; what it learns here is to do so when told to.</p>
<p class="hint">chrF: the runs of letters that an answer shares with the right one, 0 to 100.</p></section>`;
}

function stageCard(title: string, meaning: string, score: DemoScore, stage: DemoStage): Html {
  return html`<div class="stage ${stage}"><h3>${title}</h3><p class="figure">${score.chrF.toFixed(1)}</p><div class="meter"><span style="width:${score.chrF.toFixed(1)}%"></span></div><p class="hint">${meaning}</p>${score.test && html`<p class="hint">test file, ${counted(score.test.count, "sentence")}: <b>${score.test.chrF.toFixed(1)}</b></p>`}</div>`;
}

function learning({ curve, report }: DemoData): Html {
  const { train } = report;
  return html`<section aria-labelledby="learning"><h2 id="learning">How it learnt</h2>
<p>${counted(train.steps, "step")} of QLoRA: the model's own weights stay frozen in 4 bits, a small adapter learns. ${counted(Math.round(train.tokens), "token")} at ${Math.round(train.tokensPerSecond).toLocaleString("en-US")} a second. The loss says how surprised the model is by the right answer; the adapter of the lowest loss on rows set aside is kept.</p>
${lossChart(curve)}</section>`;
}

function samples({ sentences, shown }: DemoData): Html {
  const rest = sentences.filter((_, at) => !shown.includes(at));
  return html`<section aria-labelledby="samples"><h2 id="samples">Side by side</h2>
<p class="hint">${counted(shown.length, "sentence")}, evenly spread and chosen before anything was answered. Marked: words that the right answer does not have.</p>
${table(shown.map((at) => sentences[at]!))}
<details><summary>The other ${rest.length === 1 ? "sentence" : `${rest.length} sentences`}</summary>${table(rest)}</details></section>`;
}

function table(rows: readonly DemoSample[]): Html {
  return html`<div class="scroll" tabindex="0" role="region" aria-label="Answers side by side"><table class="side"><thead><tr><th scope="col">Sentence and right answer</th>${STAGES.map(
    ({ title }) => html`<th scope="col">${title}</th>`,
  )}</tr></thead><tbody>${rows.map(
    ({ input, expected, answers }) =>
      html`<tr><th scope="row"><span lang="ja">${input}</span><small>${expected}</small></th>${STAGES.map(({ stage }) => html`<td>${marked(answers[stage], expected)}</td>`)}</tr>`,
  )}</tbody></table></div>`;
}

function marked(answer: string, expected: string): Html {
  if (answer === "") return html`<i>(nothing)</i>`;
  return html`${differences(answer, expected).map(({ text, differs }) => (differs ? html`<mark>${text}</mark>` : text))}`;
}

function proof({ proof: found, format, bytes, mergeBase }: SaveReport): Html {
  const { saved, base, tuned } = found;
  const rows: [string, number, number | undefined, number | null | undefined, number | undefined][] = [
    ["tuned", tuned.perplexity, undefined, undefined, undefined],
    ["before", base.perplexity, base.kl, undefined, undefined],
    [`saved (${format})`, saved.perplexity, saved.kl, saved.retained, saved.top1],
  ];
  return html`<section aria-labelledby="proof"><h2 id="proof">The saved model, proven</h2>
<p>${(bytes / 1e6).toFixed(1)} MB, merged into the ${mergeBase.used} weights, opened again and compared with the tuned model on ${counted(found.rows, "row")}, ${counted(found.tokens, "token")}. KL says how far its next-token probabilities are from the tuned model's, in nats.</p>
<div class="scroll"><table><thead><tr><th scope="col"></th><th scope="col">perplexity</th><th scope="col">mean KL</th><th scope="col">retained</th><th scope="col">same first choice</th></tr></thead><tbody>${rows.map(
    ([name, perplexity, kl, retained, top1]) =>
      html`<tr><th scope="row">${name}</th><td>${perplexity.toFixed(2)}</td><td>${kl === undefined ? "" : kl.toFixed(4)}</td><td>${typeof retained === "number" ? percent(retained) : ""}</td><td>${top1 === undefined ? "" : percent(top1)}</td></tr>`,
  )}</tbody></table></div>
<ul class="checks">${found.checks.map(({ name, ok, detail }) => html`<li><b class="${ok ? "good" : "bad"}">${ok ? "✓" : "✗"}</b> ${name} <small>${detail}</small></li>`)}</ul></section>`;
}

function howMade({ report, save, rows, sentences, test }: DemoData): Html {
  const facts: [string, string][] = [
    ["model", report.model],
    ["device", report.device],
    [
      "rows",
      `${rows.learnt.toLocaleString("en-US")} to learn from, ${rows.aside} to choose the adapter, ${sentences.length} others to judge it`,
    ],
    ...(test
      ? [
          ["test file", `${test.file}, ${test.rows < test.of ? `its first ${test.rows} of ${test.of}` : test.rows} sentences`] as [
            string,
            string,
          ],
        ]
      : []),
    ["training", `${counted(report.train.steps, "step")}, loss ${report.train.lossFirst.toFixed(3)} → ${report.train.lossLast.toFixed(3)}`],
    [
      "save",
      `${save.format}, ${Object.entries(save.tensors)
        .map(([type, count]) => `${count} ${type}`)
        .join(", ")}`,
    ],
    ["time", duration(report.seconds)],
  ];
  return html`<section aria-labelledby="made"><h2 id="made">How this was made</h2><dl>${facts.map(([name, value]) => html`<dt>${name}</dt><dd>${value}</dd>`)}</dl></section>`;
}

const percent = (share: number): string => `${(100 * share).toFixed(1)}%`;

function duration(seconds: number): string {
  return seconds < 60 ? `${seconds.toFixed(0)} s` : `${Math.floor(seconds / 60)} min ${Math.round(seconds % 60)} s`;
}
