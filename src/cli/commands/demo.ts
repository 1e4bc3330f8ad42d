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
          if (event.event === "demo-start" || event.event === "answers-end") say(renderDemoEvent(event, proseStyle));
          else progress.show(event);
        },
      });
      say(renderDemoReport(report, proseStyle));
      if (json) print(JSON.stringify(report));
      return 0;
    } finally {
      progress.end();
    }
  },
});
