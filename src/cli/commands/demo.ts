/** `remora demo`: the whole journey in minutes, offline. */
import { demoSchema } from "../../config/schemas/demo.ts";
import { defineCommand } from "../command.ts";
import { renderDemoEvent, renderDemoReport } from "../render/render-demo.ts";
import { TrainProgress } from "../render/train-progress.ts";

export const command = defineCommand({
  name: "demo",
  schema: demoSchema,
  description:
    "Tune the small model that ships with remora, compare it before and after, save it, load it again. Offline, minutes on two cores.",
  examples: ["remora demo", "remora demo --json | tail -1"],
  async run({ config, json, io, library, signal, say, print, proseStyle }) {
    const progress = new TrainProgress(io);
    try {
      const report = await library.demo(config, {
        signal,
        onEvent: (event) => {
          switch (event.event) {
            case "demo-start":
            case "answers-start":
            case "answers-end":
              return say(renderDemoEvent(event, proseStyle));
            // The report at the end says the same; the checkpoint's folder may be gone by then.
            case "run-end":
              return progress.end();
            case "checkpoint-end":
              return;
            default:
              progress.show(event);
          }
        },
      });
      say(renderDemoReport(report, proseStyle, config.out));
      if (json) print(JSON.stringify(report));
      return 0;
    } finally {
      progress.end();
    }
  },
});
