/** `remora demo`: the whole journey in minutes, offline. */
import { demoSchema } from "../../config/schemas/demo.ts";
import { defineCommand } from "../command.ts";
import { renderDemoEvent, renderDemoPart, renderDemoReport } from "../render/render-demo.ts";
import { renderSaveEvent } from "../render/render-save.ts";
import { TrainProgress } from "../render/train-progress.ts";
import { bar, ProgressLine } from "../terminal/progress-line.ts";

export const command = defineCommand({
  name: "demo",
  schema: demoSchema,
  description:
    "Tune the small model that ships with remora, compare it before and after, merge it into 4 bits, load that from disk and compare again. Offline, minutes on two cores.",
  examples: ["remora demo", "remora demo --json | tail -1", "remora demo --test-file pairs.tsv"],
  async run({ config, json, io, library, signal, say, print, proseStyle }) {
    const training = new TrainProgress(io);
    const progress = new ProgressLine(io.stderr);
    try {
      const report = await library.demo(config, {
        signal,
        onEvent(event) {
          switch (event.event) {
            case "answers-progress":
              return progress.update(`  ▕${bar(event.begun / event.count, 24)}▏ ${event.begun} of ${event.count} sentences`);
            case "demo-start":
            case "answers-start":
            case "answers-end":
            case "demo-end":
              progress.update("");
              return say(renderDemoEvent(event, proseStyle));
            case "save-progress":
              return progress.update(renderSaveEvent(event, proseStyle).line);
            case "proof-start":
              say(renderDemoPart("save", proseStyle));
              return progress.print(`  ${renderSaveEvent(event, proseStyle).line}`);
            case "save-start":
              return progress.print(`  ${renderSaveEvent(event, proseStyle).line}`);
            case "save-end":
              progress.update("");
              return;
            case "run-start":
              say(renderDemoPart("learn", proseStyle));
              return training.show(event);
            // The report at the end says the same.
            case "run-end":
              return training.end();
            case "checkpoint-end":
              return;
            default:
              training.show(event);
          }
        },
      });
      progress.end();
      say(renderDemoReport(report, proseStyle, config.out));
      if (json) print(JSON.stringify(report));
      return 0;
    } finally {
      training.end();
      progress.end();
    }
  },
});
