/** `remora debate`: questions → old answers. stderr: the price, then each statement and verdict as it comes; stdout: what came out, and the files. */
import { debateSchema } from "../../config/schemas/debate.ts";
import { counted } from "../../errors/counted.ts";
import { defineCommand } from "../command.ts";
import { confirmPrice, renderPrice } from "../confirm-price.ts";
import { renderStatement, renderVerdict, renderWorth } from "../render/render-debate.ts";
import { bar, ProgressLine } from "../terminal/progress-line.ts";

/** Problems shown one by one; more are counted. */
const SHOWN_PROBLEMS = 10;

export const command = defineCommand({
  name: "debate",
  schema: debateSchema,
  description:
    "Let models debate each question in rounds, each with a stance and documents of its own, until a judge finds an answer or none. The answers are old answers for remora eval, or training rows. " +
    "The price is told first; stopped, it goes on where it stopped.",
  examples: [
    'remora debate questions.jsonl --debater "optimist=./SmolLM2,stance=looks for a yes" --debater "critic=./gemma,stance=doubts every number" --judge ./gemma --index my-index',
    "remora debate questions.jsonl --debater a=mistral:mistral-small-latest,docs=index-a --debater b=cohere:command-r,docs=index-b --judge openai:gpt-4o --prices a=0.1/0.3 b=0.15/0.6 judge=2.5/10 --dry-run",
  ],
  wordsAs: { option: "questions", placeholder: "Files of questions", list: true },
  async run({ config, json, io, library, signal, say, print, proseStyle, resultStyle }) {
    const price = await library.debatePrice(config);
    for (const line of renderPrice(price)) say(line);
    if (config.dryRun) {
      if (json) print(JSON.stringify({ price }));
      return 0;
    }
    if (!(await confirmPrice(price, config.yes, io, "debate"))) {
      say("Not started.");
      return 0;
    }
    const progress = new ProgressLine(io.stderr);
    try {
      const report = await library.debate(config, {
        signal,
        onEvent(event) {
          switch (event.event) {
            case "debate-start":
              progress.print(`${counted(event.questions, "question")}${event.kept > 0 ? `, ${event.kept} of them debated before` : ""}`);
              for (const { file, row, problem } of event.problems.slice(0, SHOWN_PROBLEMS))
                progress.print(`${proseStyle.yellow("left out")} ${file}, row ${row}: ${problem}`);
              return;
            case "turn-end":
              return progress.print(renderStatement(event.id, event.turn, io.stderr, proseStyle));
            case "verdict-end":
              return progress.print(renderVerdict(event.id, event.verdict, io.stderr, proseStyle));
            case "question-end": {
              const { record, done, all } = event;
              const lowered = record.guard?.lowered === undefined ? "" : `; ${record.guard.lowered}`;
              progress.print(
                `${proseStyle.bold(event.id)} ${record.status}${record.answer === "" ? "" : `, confidence ${record.confidence.toFixed(2)}${lowered}`}`,
              );
              return progress.update(`${done}/${all} ▕${bar(done / Math.max(1, all), 12)}▏`);
            }
            case "web-problem":
              return progress.print(`${proseStyle.yellow("not read")} ${event.url}: ${event.problem}`);
          }
        },
      });
      progress.end();
      if (json) print(JSON.stringify({ ...report, price }));
      else {
        const { answered, noConsensus, failed, lowered, trainingRows, invented, unreadVerdicts, files } = report;
        print(
          `${counted(report.questions, "question")}: ${answered} answered, ${noConsensus} without consensus, ${failed} failed; ` +
            `confidence lowered for ${lowered}; ${counted(trainingRows, "training row")}`,
        );
        if (report.worth.length > 0) print(renderWorth(report.worth, resultStyle));
        if (invented > 0) say(`${counted(invented, "invented citation")} ${invented === 1 ? "is" : "are"} marked in the transcript.`);
        if (unreadVerdicts > 0)
          say(`${counted(unreadVerdicts, "time")} the judge could not be followed; the transcript says why each time.`);
        for (const file of Object.values(files)) print(file);
      }
      return report.failed > 0 && report.failed === report.questions ? 1 : 0;
    } finally {
      progress.end();
    }
  },
});
