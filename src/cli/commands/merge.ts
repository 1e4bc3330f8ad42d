/** `remora merge`: a tuned model in a form that others load. stdout: the folder, or the report as JSON. */
import { mergeSchema } from "../../config/schemas/merge.ts";
import { defineCommand } from "../command.ts";
import { renderSaveEvent, renderSaveReport } from "../render/render-save.ts";
import { ProgressLine } from "../terminal/progress-line.ts";

export const command = defineCommand({
  name: "merge",
  schema: mergeSchema,
  description: [
    "Save a model with its adapter merged in: a 16-bit or NF4 folder for Transformers, a GGUF file for llama.cpp and Ollama, or one adapter made of",
    "several. The result is opened again and compared with base + adapter on held-out rows; one that does not answer the same is not saved (exit code 1).",
  ].join(" "),
  examples: [
    "remora merge --adapter run/adapter --format 16bit --out merged",
    "remora merge --adapter run/adapter --format gguf:q4_k_m --out merged-gguf",
    "remora merge --adapter one/adapter two/adapter --weights 0.7 0.3 --format adapter --out both",
  ],
  async run({ config, json, io, library, signal, say, print, proseStyle }) {
    const progress = new ProgressLine(io.stderr);
    try {
      const report = await library.exportModel(config, {
        signal,
        onEvent(event) {
          if (event.event === "save-end") {
            progress.end();
            say(renderSaveReport(event.report, proseStyle));
            // A save that fails its proof ends in an error; its figures are the result all the same.
            if (json && !event.report.proof.passed) print(JSON.stringify(event.report));
            return;
          }
          const { line, isPassing } = renderSaveEvent(event, proseStyle);
          if (isPassing) progress.update(line);
          else progress.print(line);
        },
      });
      print(json ? JSON.stringify(report) : report.out);
      return 0;
    } finally {
      progress.end();
    }
  },
});
