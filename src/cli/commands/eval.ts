/** `remora eval`: the same questions to several variants, compared. stderr: progress and what went wrong; stdout: what helped, and the files. */
import { evalSchema } from "../../config/schemas/eval.ts";
import { counted } from "../../errors/counted.ts";
import { cleanLine } from "../../retrieval/documents/document.ts";
import { defineCommand } from "../command.ts";
import { renderEvalTable } from "../render/render-eval.ts";
import { bar, ProgressLine } from "../terminal/progress-line.ts";

/** Problems shown one by one; more are counted. */
const SHOWN_PROBLEMS = 10;

export const command = defineCommand({
  name: "eval",
  schema: evalSchema,
  description:
    "Ask the same questions of the base, the tuned model, and each with documents; score the answers, count how often each gives none, and say what helped and whether that can be told. Stopped, it goes on where it stopped.",
  examples: [
    "remora eval questions.jsonl --model ./base --adapter run/adapter --index my-index",
    "remora eval questions.csv --model ./base --adapter run/adapter --variants base,tuned --columns reference=old_answer",
    "remora eval questions.jsonl --model ./base --variants base,gpt=openai:gpt-4o-mini --prices gpt=0.15/0.60",
    "remora eval questions.xlsx --model ./base --index my-index --judge ./judge --translator ./translator --compare last-week",
  ],
  wordsAs: { option: "questions", placeholder: "Files of questions", list: true },
  async run({ config, json, io, library, signal, say, print, proseStyle, resultStyle }) {
    const progress = new ProgressLine(io.stderr);
    const show = (what: string, done: number, all: number) =>
      progress.update(`${what} ${done}/${all} ▕${bar(done / Math.max(1, all), 12)}▏`);
    try {
      const { files, report } = await library.evaluate(config, {
        signal,
        onEvent(event) {
          switch (event.event) {
            case "eval-start":
              progress.print(`${counted(event.questions, "question")}, variants: ${event.variants.join(", ")}`);
              for (const { file, row, problem } of event.problems.slice(0, SHOWN_PROBLEMS))
                progress.print(`${proseStyle.yellow("left out")} ${file}, row ${row}: ${cleanLine(problem)}`);
              if (event.problems.length > SHOWN_PROBLEMS)
                progress.print(`… and ${event.problems.length - SHOWN_PROBLEMS} more; the report names all`);
              return;
            case "answers-progress":
              return show(event.variant, event.done, event.all);
            case "judge-progress":
              return show("judging", event.done, event.all);
            case "translate-progress":
              return show("translating", event.done, event.all);
          }
        },
      });
      progress.end();
      const failed = report.answers.filter(({ error }) => error !== undefined);
      const { summary, problems, unreadDocuments = [] } = report;
      if (json) print(JSON.stringify({ ...files, summary, problems, unreadDocuments, failed: failed.length }));
      else {
        print(renderEvalTable(report, resultStyle));
        for (const sentence of report.summary.sentences) print(sentence);
        print(`\n${files.html}`);
      }
      for (const { variant, id, error } of failed.slice(0, SHOWN_PROBLEMS))
        say(`${proseStyle.yellow("failed")} ${variant}, question ${cleanLine(id)}: ${cleanLine(error!)}`);
      if (failed.length > SHOWN_PROBLEMS) say(`… and ${failed.length - SHOWN_PROBLEMS} more; the report names all`);
      for (const { document, reason } of unreadDocuments.slice(0, SHOWN_PROBLEMS))
        say(`${proseStyle.yellow("not read")} ${cleanLine(document)}: ${reason}`);
      if (unreadDocuments.length > SHOWN_PROBLEMS)
        say(
          `… and ${counted(unreadDocuments.length - SHOWN_PROBLEMS, "more document")} that no answer could come from; the report names all`,
        );
      const unjudged = report.judge?.pairs.filter(({ problem }) => problem !== undefined).length ?? 0;
      if (unjudged > 0)
        say(`${proseStyle.yellow("not judged")} ${counted(unjudged, "pair")}, whose verdict could not be read; the report names all`);
      const untranslated = report.translationProblems?.length ?? 0;
      if (untranslated > 0) say(`${proseStyle.yellow("not translated")} ${counted(untranslated, "text")}; the report names all`);
      return failed.length === report.answers.length ? 1 : 0;
    } finally {
      progress.end();
    }
  },
});
