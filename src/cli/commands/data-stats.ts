/** `remora data stats`: the figures of a data set under a model's tokenizer. */
import { deriveBlockLength } from "../../config/resolve-train.ts";
import { dataStatsSchema } from "../../config/schemas/data.ts";
import { counted } from "../../errors/counted.ts";
import { defineCommand } from "../command.ts";
import { ProgressLine } from "../terminal/progress-line.ts";

export const command = defineCommand({
  name: "data stats",
  schema: dataStatsSchema,
  description: "Count tokens: how long rows are, how many are trained, cut or double, and how full the blocks get.",
  examples: ["remora data stats --model ./SmolLM2-135M --data rows.jsonl"],
  async run({ config, json, io, signal, say, print }) {
    const { openData } = await import("./open-data.ts");
    const { loadData } = await import("../../data/load-data.ts");
    const { dataStats, formatStats } = await import("../../data/stats.ts");
    const { files, tokenizer, template, templateReason, blockLimit } = await openData(config);
    const progress = new ProgressLine(io.stderr);
    try {
      using data = await loadData({
        files,
        tokenizer,
        template,
        objective: config.objective === "pretrain" ? "pretrain" : "respond",
        columns: config.columns,
        constants: config.constants,
        encoding: config.encoding,
        sheet: config.sheet,
        header: config.header,
        blockLength: blockLimit,
        longRows: config.longRows,
        trainOn: config.trainOn,
        seed: config.seed,
        limit: config.limit,
        signal,
        onProgress: (rows) => progress.update(`${counted(rows, "row")} read`),
      });
      progress.end();
      let longest = 0;
      for (const index of data.split.training) longest = Math.max(longest, data.store.length(index));
      const blockLength = config.blockLength ?? deriveBlockLength(blockLimit, longest)[0];
      const stats = dataStats(data, blockLength);
      const name = template?.name ?? "plain text";
      if (json) print(JSON.stringify({ template: name, ...stats }));
      else {
        say(`template ${name} (${templateReason})`);
        print(formatStats(stats));
      }
      return 0;
    } finally {
      progress.end();
    }
  },
});
