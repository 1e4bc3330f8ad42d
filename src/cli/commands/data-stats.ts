/** `remora data stats`: the figures of a data set under a model's tokenizer. */
import { dataStatsSchema } from "../../config/schemas/data.ts";
import { defineCommand } from "../command.ts";
import { renderStats } from "../render/render-data.ts";

export const command = defineCommand({
  name: "data stats",
  schema: dataStatsSchema,
  description: "Count tokens: how long rows are, how many are trained, cut or double, and how full the blocks get.",
  examples: ["remora data stats --model ./SmolLM2-135M --data rows.jsonl"],
  async run({ config, json, library, print, resultStyle }) {
    const stats = await library.dataStats(config);
    print(json ? JSON.stringify(stats) : renderStats(stats, resultStyle));
    return 0;
  },
});
