/** `remora report`: the page of a comparison made again, with thumbs and notes, or beside an earlier run. */
import { reportSchema } from "../../config/schemas/eval.ts";
import { defineCommand } from "../command.ts";
import { renderEvalTable } from "../render/render-eval.ts";

export const command = defineCommand({
  name: "report",
  schema: reportSchema,
  description:
    "Make the page of a comparison again: with the thumbs and notes that it saved, under another title, or against an earlier run.",
  examples: ["remora report eval", "remora report eval --notes ~/Downloads/notes.json", "remora report this-week --compare last-week"],
  wordsAs: { option: "folder", placeholder: "Folder of a comparison" },
  async run({ config, json, library, print, resultStyle }) {
    const { files, report } = await library.makeReport(config);
    if (json) print(JSON.stringify({ ...files, summary: report.summary, changes: report.comparedWith?.changes }));
    else {
      print(renderEvalTable(report, resultStyle));
      for (const sentence of report.summary.sentences) print(sentence);
      print(`\n${files.html}`);
    }
    return 0;
  },
});
