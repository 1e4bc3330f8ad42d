/** `remora questions`: documents → checked questions toward goals. stderr: the price, each question kept or refused; stdout: the counts, and the files. */
import { questionsSchema } from "../../config/schemas/debate.ts";
import { counted } from "../../errors/counted.ts";
import { defineCommand } from "../command.ts";
import { confirmPrice, renderPrice } from "../confirm-price.ts";
import { bar, ProgressLine } from "../terminal/progress-line.ts";

export const command = defineCommand({
  name: "questions",
  schema: questionsSchema,
  description:
    "Make fact-based questions from documents toward your goals. Each comes with the passage that answers it, its difficulty, and a twin that the passage cannot answer; " +
    "it stays only when it is answered from its passage and not without it. The price is told first; stopped, it goes on from cached answers.",
  examples: [
    'remora questions my-index --goal "goal A: what members agreed on" --goal "goal B: what critics say" --count 40 --model ./base --out questions',
    "remora questions docs --count 20 --model mistral:mistral-small-latest --checker ./base --prices writer=0.1/0.3 --dry-run",
  ],
  wordsAs: { option: "documents", placeholder: "An index, or files and folders", list: true },
  async run({ config, json, io, library, signal, say, print, proseStyle }) {
    const price = await library.questionsPrice(config);
    for (const line of renderPrice(price)) say(line);
    if (config.dryRun) {
      if (json) print(JSON.stringify({ price }));
      return 0;
    }
    if (!(await confirmPrice(price, config.yes, io, "questions"))) {
      say("Not started.");
      return 0;
    }
    const progress = new ProgressLine(io.stderr);
    try {
      const report = await library.makeQuestions(config, {
        signal,
        onEvent(event) {
          switch (event.event) {
            case "questions-start":
              progress.print(`${counted(event.passages, "passage")}; goals: ${event.goals.join(", ")}; duplicates by ${event.duplicates}`);
              for (const { document, reason } of event.failures) progress.print(`${proseStyle.yellow("not read")} ${document}: ${reason}`);
              return;
            case "question-kept": {
              const { row, kept, count } = event;
              progress.print(
                `${proseStyle.bold(row.id)} ${row.category}, ${row.difficulty}: ${row.question} — ${row.reference!.join(" / ")}`,
              );
              return progress.update(`${kept}/${count} ▕${bar(kept / count, 12)}▏`);
            }
            case "question-rejected":
              return progress.print(proseStyle.dim(`not kept, ${event.rejected.source}: ${event.rejected.reason}`));
          }
        },
      });
      progress.end();
      if (json) print(JSON.stringify({ ...report, price }));
      else {
        const { kept, tried, twins, twinsRefused, rejected, files } = report;
        print(
          `${counted(kept, "question")} from ${counted(tried, "try", "tries")}, ${counted(twins, "twin")} (the checker refused ${twinsRefused})`,
        );
        for (const [reason, count] of Object.entries(rejected).sort((a, b) => b[1] - a[1])) say(`  ${count} × ${reason}`);
        if (kept < config.count) say(`Fewer than the ${config.count} asked for: name more documents, more --attempts, or a better model.`);
        for (const file of Object.values(files)) print(file);
      }
      return report.kept === 0 ? 1 : 0;
    } finally {
      progress.end();
    }
  },
});
